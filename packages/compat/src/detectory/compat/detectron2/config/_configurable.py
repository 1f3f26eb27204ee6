"""The decorator `configurable`, for functions and constructors that accept a config instead of their arguments."""

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
    """Decorate `__init__` or a function so that it can be called with a config.

    A call that passes a `CfgNode` (or omegaconf's `DictConfig`) as the first argument or as keyword `cfg` goes through
    `from_config`, which translates the config into keyword arguments. Keyword arguments of the call that `from_config`
    does not accept override the translated ones.

    Args:
        init_func: An `__init__` whose class has a classmethod `from_config(cls, cfg, …)`.
        from_config: The translation for a plain function, passed as `@configurable(from_config=…)`.

    Raises:
        TypeError: If the decorator is applied to anything else, or `from_config` is not a function whose first argument
            is `cfg`.
        AttributeError: If the class has no `from_config`; raised on every call.

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
            raise TypeError(
                "configurable: use @configurable on __init__, or @configurable(from_config=…) on a function"
            )
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
            raise AttributeError(f"{type(self).__name__}: a configurable class must have a classmethod 'from_config'")
        if not inspect.ismethod(translate):
            raise TypeError(f"{type(self).__name__}: from_config must be a classmethod")
        if _called_with_cfg(*args, **kwargs):
            init_func(self, **_get_args_from_config(translate, *args, **kwargs))
        else:
            init_func(self, *args, **kwargs)

    return wrapped


def _configurable_function(function: Call, *, from_config: Call) -> Call:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if _called_with_cfg(*args, **kwargs):
            return function(**_get_args_from_config(from_config, *args, **kwargs))
        return function(*args, **kwargs)

    wrapped.from_config = from_config  # type: ignore[attr-defined]
    return wrapped


def _called_with_cfg(*args: Any, **kwargs: Any) -> bool:
    """Return whether the first argument, or the keyword `cfg`, is a config."""
    config = args[0] if args else kwargs.get("cfg")
    return isinstance(config, CfgNode | DictConfig) or _is_foreign_node(config)


def _is_foreign_node(config: Any) -> bool:
    """Return whether an object is a config node of an installed yacs or fvcore."""
    return any(base.__name__ == "CfgNode" for base in type(config).__mro__)


def _get_args_from_config(translate: Call, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Call `from_config` with the arguments it accepts, then override its result with the remaining ones."""
    parameters = inspect.signature(translate).parameters
    if next(iter(parameters), None) != "cfg":
        name = getattr(translate, "__qualname__", repr(translate))
        raise TypeError(f"{name}: the first argument must be 'cfg', got {list(parameters)}")
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if any(parameter.kind in variadic for parameter in parameters.values()):
        return dict(translate(*args, **kwargs))
    known = {name: value for name, value in kwargs.items() if name in parameters}
    rest = {name: value for name, value in kwargs.items() if name not in parameters}
    return {**translate(*args, **known), **rest}
