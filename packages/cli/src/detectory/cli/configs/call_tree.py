"""Turns noted calls into a tree of calls and plain values: what a recipe is."""

import dataclasses
import inspect
from typing import Any

import numpy as np
import torch

from detectory.cli.configs.call_recorder import Call, CallRecorder
from detectory.core.config import LazyCall

_PLAIN = (str, int, float, bool, type(None))


def described(value: Any, recorder: CallRecorder, where: str = "model") -> Any:
    """Return `value` as calls, lists, dictionaries, plain values, classes and functions.

    Arguments that equal their default are left out. An argument that the object keeps under its own name is told as it
    is now: some configs change it after construction.

    Raises:
        ValueError: something was made in a way that no recipe can say, e.g. by a constructor that takes a config.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type) or inspect.isroutine(value):
        return value
    if dataclasses.is_dataclass(value) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        names = [item.name for item in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else value._fields
        fields = {name: getattr(value, name) for name in names}
        return _call(Call(type(value), fields, value), recorder, where)
    call = recorder.call_of(value)
    if call is not None:
        return _call(call, recorder, where)
    if isinstance(value, (list, tuple)):
        return [described(item, recorder, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and type(value) is dict:
        return {key: described(item, recorder, f"{where}.{key}") for key, item in value.items()}
    raise ValueError(
        f"config convert: {where} is made of a {type(value).__name__}, which a recipe cannot describe; a class of "
        "your own needs plain arguments, see @configurable with from_config"
    )


def _call(call: Call, recorder: CallRecorder, where: str) -> Call:
    defaults = _defaults(call.target)
    arguments = {}
    for name, given in call.arguments.items():
        value = _as_it_is_now(call.made, name, given)
        if name == "get_fed_loss_cls_weights" and not call.arguments.get("use_fed_loss"):
            continue  # never called then
        if name in defaults and _is_same(defaults[name], value):
            continue
        arguments[name] = described(value, recorder, f"{where}.{name}")
    return Call(call.target, arguments)


def _defaults(target: Any) -> dict[str, Any]:
    parameters = inspect.signature(target).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}


def _as_it_is_now(made: Any, name: str, given: Any) -> Any:
    """The attribute that bears an argument's name, where both are numbers, or dictionaries of the same keys."""
    held = getattr(made, name, given)
    if type(held) is type(given) and isinstance(given, (int, float)):
        return held
    if isinstance(given, dict) and isinstance(held, dict) and held.keys() == given.keys():
        return held
    if isinstance(given, (int, float)) and isinstance(held, dict) and all(isinstance(key, str) for key in held):
        return held
    return given


def _is_same(default: Any, value: Any) -> bool:
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        return len(default) == len(value) and all(map(_is_same, default, value))
    if isinstance(default, _PLAIN) and isinstance(value, _PLAIN):
        return type(default) is type(value) and default == value
    return default is value


def share_num_classes(value: Any, inherited: Any = None, depth: int = 0) -> None:
    """Let parts take `num_classes` from the call around them, so that a recipe has one place to change it.

    Args:
        value: A tree of `described`, changed in place.
        inherited: The number of the nearest call above.
        depth: Levels up to that call.
    """
    if isinstance(value, Call):
        own = value.arguments.get("num_classes")
        if own is not None and own == inherited:
            value.arguments["num_classes"] = f"${{{'.' * (depth + 1)}num_classes}}"
        for name, child in value.arguments.items():
            if name != "num_classes":
                share_num_classes(child, own if own is not None else inherited, 1 if own is not None else depth + 1)
    elif isinstance(value, list):
        for child in value:
            share_num_classes(child, inherited, depth + 1)


def as_nodes(value: Any) -> Any:
    """Return a tree of `described` with nodes of `LazyCall` in place of calls."""
    if isinstance(value, Call):
        return LazyCall(value.target)(**{name: as_nodes(item) for name, item in value.arguments.items()})
    if isinstance(value, list):
        return [as_nodes(item) for item in value]
    if isinstance(value, dict):
        return {key: as_nodes(item) for key, item in value.items()}
    return value
