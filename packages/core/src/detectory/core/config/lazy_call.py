"""LazyCall describes a call as an omegaconf node that can be edited, saved and made later."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig

from detectory.core.config.dotted_path import dotted_path, path_of
from detectory.core.config.signature import check_argument_names


class LazyCall:
    """Wrap a callable, so that calling it returns a node that describes the call instead of making it.

    Args:
        target: A class, function or method, its dotted path, or a node that builds the callable.

    Raises:
        TypeError: `target` is none of these.

    Example:
        >>> import torch
        >>> from detectory.core.config import instantiate
        >>> layer = LazyCall(torch.nn.Linear)(in_features=4, out_features=8)
        >>> layer.out_features = 2
        >>> instantiate(layer)
        Linear(in_features=4, out_features=2, bias=True)
    """

    def __init__(self, target: Callable[..., Any] | str | Mapping[str, Any]) -> None:
        if not (callable(target) or isinstance(target, (str, Mapping))):
            raise TypeError(
                f"LazyCall: target must be a callable, its dotted path or a config node, got {type(target).__name__}"
            )
        self._target = target

    def __call__(self, **kwargs: Any) -> DictConfig:
        """Return the node: `_target_`, by its dotted path where it has one, and the arguments.

        Data classes and named tuples among the arguments become nodes too, so that their fields can be edited.

        Raises:
            TypeError: the target has no argument of that name; the message lists the nearest ones. A target given
                by its dotted path is not imported here, its arguments are checked by `instantiate`.
        """
        target: Any = self._target
        if callable(target):
            self._check(target, kwargs)
            target = self._as_value(target)
        content = {"_target_": target} | {name: as_node(value) for name, value in kwargs.items()}
        return DictConfig(content=content, flags={"allow_objects": True})

    def _as_value(self, target: Callable[..., Any]) -> Any:
        return path_of(target) or target

    def _check(self, target: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        check_argument_names(target, arguments, "LazyCall")


def as_node(value: Any) -> Any:
    """Turn data classes and named tuples inside `value` into nodes that build them again; the rest stays."""
    if isinstance(value, (DictConfig, ListConfig, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: as_node(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return {"_target_": dotted_path(type(value))} | fields
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"_target_": dotted_path(type(value))} | {name: as_node(getattr(value, name)) for name in value._fields}
    if isinstance(value, (list, tuple)):
        return [as_node(item) for item in value]
    if isinstance(value, dict):
        return {key: as_node(item) for key, item in value.items()}
    return value
