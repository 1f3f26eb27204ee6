"""Instantiation of the objects that config nodes describe."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.dotted_path import dotted_path, locate
from detectory.core.config.signature import check_argument_names


def instantiate(cfg: Any) -> Any:
    """Build the object that `cfg` describes by calling its `_target_` with the other keys as arguments.

    Args:
        cfg: An omegaconf node, dictionary or list. Nested nodes with a `_target_` are built first, including those
            inside lists and dictionaries, unless the enclosing node has `_recursive_: False`. Interpolations are
            resolved: `${.x}` is a sibling key, `${..x}` a key one level up.

    Returns:
        The object. Lists and dictionaries without `_target_` become plain `list` and `dict` objects. Values that are
        not configs, and a `dict` with nothing to build, are returned unchanged.

    Raises:
        ImportError: If a `_target_` does not exist; the message has the node's path and the most similar names.
        TypeError: If `_target_` is not callable or does not accept one of the arguments.
        Exception: If the target raises it; the path of the node is appended to the message.
    """
    if isinstance(cfg, (DictConfig, Mapping, ListConfig, list, tuple)):
        return _build(cfg, _root_path(cfg))
    return cfg


def _build(cfg: Any, path: str) -> Any:
    if isinstance(cfg, (ListConfig, list)):
        return [_build(item, _join(path, index)) for index, item in enumerate(cfg)]
    if type(cfg) is tuple:
        return tuple(_build(item, _join(path, index)) for index, item in enumerate(cfg))
    if isinstance(cfg, DictConfig) and dataclasses.is_dataclass(OmegaConf.get_type(cfg)):
        return OmegaConf.to_object(cfg)
    if not isinstance(cfg, (DictConfig, Mapping)):
        return cfg
    if "_target_" not in cfg:
        built = {key: _build(value, _join(path, key)) for key, value in cfg.items()}
        unchanged = type(cfg) is dict and all(built[key] is value for key, value in cfg.items())
        return cfg if unchanged else built
    return _call(cfg, path)


def _call(cfg: Mapping[str, Any], path: str) -> Any:
    recursive = cfg.get("_recursive_", True)
    arguments = {key: value for key, value in cfg.items() if key not in ("_target_", "_recursive_")}
    if recursive:
        arguments = {key: _build(value, _join(path, key)) for key, value in arguments.items()}
    target = _find_target(cfg["_target_"], path)
    check_argument_names(target, arguments, f"instantiate: node '{path or '<root>'}'")
    try:
        return target(**arguments)
    except Exception as error:
        _append_node_path(error, path, target)
        raise


def _find_target(target: Any, path: str) -> Any:
    if isinstance(target, str):
        try:
            target = locate(target)
        except ImportError as error:
            raise ImportError(f"instantiate: node '{path or '<root>'}': {error}") from error
    elif isinstance(target, (DictConfig, Mapping)):
        target = _build(target, _join(path, "_target_"))
    if not callable(target):
        raise TypeError(f"instantiate: node '{path or '<root>'}': _target_ must be callable, got {target!r}")
    return target


def _append_node_path(error: Exception, path: str, target: Any) -> None:
    """Append the node's path to the error message. `add_note` requires Python 3.11."""
    try:
        name = dotted_path(target)
    except TypeError:
        name = repr(target)
    note = f"(while instantiating '{path or '<root>'}': {name})"
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} {note}", *error.args[1:])
    elif not error.args:
        error.args = (note,)


def _root_path(cfg: Any) -> str:
    return str(cfg._get_full_key(None)) if isinstance(cfg, (DictConfig, ListConfig)) else ""


def _join(path: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)
