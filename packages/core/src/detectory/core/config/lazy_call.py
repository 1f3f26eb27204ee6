"""LazyCall: a call described as an omegaconf node, to be edited, saved and executed later."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig

from detectory.core.config.dotted_path import dotted_path, path_of
from detectory.core.config.signature import check_argument_names


class LazyCall:
    """Wrap a callable so that calling it returns a config node instead of executing the call.

    Args:
        target: A class, function or method, its dotted path, or a node that builds the callable.

    Raises:
        TypeError: If `target` has another type.

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
        """Return a node with the arguments and `_target_`, as a dotted path if the target has one.

        Dataclasses and named tuples among the arguments are converted to nodes so that their fields can be edited.

        Raises:
            TypeError: If the target does not accept an argument; the message lists the most similar names. If the
                target is a dotted path, it is not imported here; `instantiate` checks the arguments.
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
    """Convert dataclasses and named tuples inside `value` to nodes that rebuild them; keep everything else."""
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
