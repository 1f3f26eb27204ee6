"""instantiate makes the calls that a config node describes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.dotted_path import dotted_path, locate
from detectory.core.config.signature import check_argument_names


def instantiate(cfg: Any) -> Any:
    """Build the object that `cfg` describes: call its `_target_` with its other keys, arguments first.

    Args:
        cfg: An omegaconf node, a dictionary or a list. Nodes with `_target_` are built wherever they stand, also
            inside lists and dictionaries, unless the node around them has `_recursive_: False`. Interpolations
            are resolved; `${.x}` is a sibling key, `${..x}` a key one level up.

    Returns:
        The object; lists and dictionaries without `_target_` come back as plain `list` and `dict`, and a `dict`
        in which there is nothing to build, as values that are no config, as it is.

    Raises:
        ImportError: a `_target_` names nothing; the message says the node's path and the nearest names.
        TypeError: `_target_` is not callable, or has no argument of a name that the node gives it.
        Exception: what the target itself raises, its message completed by the node's path.
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
        _tell_path(error, path, target)
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


def _tell_path(error: Exception, path: str, target: Any) -> None:
    """Complete the message by the place in the config; `add_note` would need Python 3.11."""
    try:
        name = dotted_path(target)
    except TypeError:
        name = repr(target)
    place = f"(while instantiating '{path or '<root>'}': {name})"
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} {place}", *error.args[1:])
    elif not error.args:
        error.args = (place,)


def _root_path(cfg: Any) -> str:
    return str(cfg._get_full_key(None)) if isinstance(cfg, (DictConfig, ListConfig)) else ""


def _join(path: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)
