"""Conversion of recorded calls to the tree of calls and plain values that a recipe consists of."""

import dataclasses
import inspect
from typing import Any

import numpy as np
import torch

from detectory.cli.configs.call_recorder import Call, CallRecorder
from detectory.core.config import LazyCall

_PLAIN_TYPES = (str, int, float, bool, type(None))


def describe(value: Any, recorder: CallRecorder, path: str = "model") -> Any:
    """Return `value` as a tree of calls, lists, dictionaries, plain values, classes and functions.

    Arguments equal to their defaults are omitted. If the object has an attribute with the name of a scalar argument,
    the attribute's current value is used, because some configs change it after construction.

    Args:
        value: An object created while `recorder` was active.
        recorder: The recorder.
        path: Dotted path of the value, for error messages.

    Raises:
        ValueError: If an object was created in a way that a recipe cannot express, e.g. from a `CfgNode`.
    """
    if isinstance(value, _PLAIN_TYPES):
        return value
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type) or inspect.isroutine(value):
        return value
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _describe_call(Call(type(value), fields, value), recorder, path)
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        fields = {name: getattr(value, name) for name in value._fields}
        return _describe_call(Call(type(value), fields, value), recorder, path)
    call = recorder.call_of(value)
    if call is not None:
        return _describe_call(call, recorder, path)
    if isinstance(value, (list, tuple)):
        return [describe(item, recorder, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and type(value) is dict:
        return {key: describe(item, recorder, f"{path}.{key}") for key, item in value.items()}
    raise ValueError(
        f"config convert: {path} is a {type(value).__name__}, which cannot be expressed in a recipe. Custom classes "
        "must be built from plain arguments, e.g. with @configurable and from_config"
    )


def _describe_call(call: Call, recorder: CallRecorder, path: str) -> Call:
    defaults = _defaults(call.target)
    arguments = {}
    for name, original in call.arguments.items():
        value = _current_value(call.result, name, original)
        if name == "get_fed_loss_cls_weights" and not call.arguments.get("use_fed_loss"):
            continue  # a closure over the config, which is only called with federated loss
        if name in defaults and _is_equal(defaults[name], value):
            continue
        arguments[name] = describe(value, recorder, f"{path}.{name}")
    return Call(call.target, arguments)


def _defaults(target: Any) -> dict[str, Any]:
    parameters = inspect.signature(target).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}


def _current_value(instance: Any, name: str, original: Any) -> Any:
    """Return the attribute named like an argument if both are numbers or dictionaries, else the argument."""
    current = getattr(instance, name, original)
    if type(current) is type(original) and isinstance(original, (int, float)):
        return current
    if isinstance(original, dict) and isinstance(current, dict) and current.keys() == original.keys():
        return current
    if isinstance(original, (int, float)) and isinstance(current, dict) and all(isinstance(k, str) for k in current):
        return current
    return original


def _is_equal(default: Any, value: Any) -> bool:
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        return len(default) == len(value) and all(map(_is_equal, default, value))
    if isinstance(default, _PLAIN_TYPES) and isinstance(value, _PLAIN_TYPES):
        return type(default) is type(value) and default == value
    return default is value


def share_num_classes(value: Any, inherited: Any = None, depth: int = 0) -> None:
    """Replace each `num_classes` equal to that of an enclosing call by an interpolation, in place.

    The recipe then has a single place to change the number of classes.

    Args:
        value: A tree of `describe`.
        inherited: `num_classes` of the nearest enclosing call that has it.
        depth: Number of levels up to that call.
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
    """Return a tree of `describe` with every `Call` replaced by a `LazyCall` node."""
    if isinstance(value, Call):
        return LazyCall(value.target)(**{name: as_nodes(item) for name, item in value.arguments.items()})
    if isinstance(value, list):
        return [as_nodes(item) for item in value]
    if isinstance(value, dict):
        return {key: as_nodes(item) for key, item in value.items()}
    return value
