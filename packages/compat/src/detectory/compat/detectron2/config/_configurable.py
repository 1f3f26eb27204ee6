"""`configurable`: let a function or constructor be called with a config instead of its arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, overload

from omegaconf import DictConfig

from detectory.compat.fvcore.common.config import CfgNode

Call = Callable[..., Any]


@overload
def configurable(init_func: Call) -> Call: ...
@overload
def configurable(init_func: None = None, *, from_config: Call) -> Callable[[Call], Call]: ...
def configurable(init_func: Call | None = None, *, from_config: Call | None = None) -> Any:
    """Decorate `__init__`, or any function, so that its first argument may be a config.

    A call with a `CfgNode` (or omegaconf's `DictConfig`) first, or as keyword `cfg`, goes through
    `from_config`, which turns the config into keyword arguments. Those that `from_config` does not know are
    passed on and win.

    Args:
        init_func: An `__init__`; its class needs a classmethod `from_config(cls, cfg, …)`.
        from_config: The translation for a plain function, used as `@configurable(from_config=…)`.

    Raises:
        TypeError: the decorator is used on something else, or `from_config` is no function whose first argument is
            `cfg`.
        AttributeError: the class has no `from_config`; raised by every call.

    Example:
        >>> class Head:
        ...     @configurable
        ...     def __init__(self, size, depth=2):
        ...         self.size, self.depth = size, depth
        ...
        ...     @classmethod
        ...     def from_config(cls, cfg):
        ...         return {"size": cfg.SIZE}
        >>> head = Head(CfgNode({"SIZE": 7}), depth=5)
        >>> head.size, head.depth
        (7, 5)
    """
    if init_func is not None:
        if not inspect.isfunction(init_func) or from_config is not None or init_func.__name__ != "__init__":
            raise TypeError("configurable: decorate __init__ with @configurable, functions with from_config=…")
        return _configurable_init(init_func)
    if from_config is None:
        return configurable
    if not inspect.isfunction(from_config):
        raise TypeError(f"configurable: from_config must be a function, got {type(from_config).__name__}")
    return functools.partial(_configurable_function, from_config=from_config)


def _configurable_init(init_func: Call) -> Call:
    @functools.wraps(init_func)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        translate = getattr(type(self), "from_config", None)
        if translate is None:
            raise AttributeError(f"{type(self).__name__} is configurable and needs a classmethod 'from_config'")
        if not inspect.ismethod(translate):
            raise TypeError(f"{type(self).__name__}.from_config must be a classmethod")
        if _called_with_config(args, kwargs):
            init_func(self, **_arguments_from_config(translate, args, kwargs))
        else:
            init_func(self, *args, **kwargs)

    return wrapped


def _configurable_function(function: Call, *, from_config: Call) -> Call:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if _called_with_config(args, kwargs):
            return function(**_arguments_from_config(from_config, args, kwargs))
        return function(*args, **kwargs)

    wrapped.from_config = from_config  # type: ignore[attr-defined]
    return wrapped


def _called_with_config(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return isinstance(args[0] if args else kwargs.get("cfg"), CfgNode | DictConfig)


def _arguments_from_config(translate: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Call `from_config` with what it knows and add the rest of the keyword arguments to its answer."""
    parameters = inspect.signature(translate).parameters
    if next(iter(parameters), None) != "cfg":
        name = getattr(translate, "__qualname__", repr(translate))
        raise TypeError(f"{name} must take 'cfg' as its first argument, it takes {list(parameters)}")
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if any(parameter.kind in variadic for parameter in parameters.values()):
        return dict(translate(*args, **kwargs))
    known = {name: value for name, value in kwargs.items() if name in parameters}
    rest = {name: value for name, value in kwargs.items() if name not in parameters}
    return {**translate(*args, **known), **rest}
