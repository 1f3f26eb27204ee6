"""Patches that TorchScript needs while a model is scripted or traced."""

import contextlib
import inspect
import itertools
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import nn

from detectory.structures import Boxes, Instances, RotatedBoxes

__all__ = ["freeze_training_mode", "patch_builtin_len", "patch_instances", "patch_nonscriptable_classes"]

_number = itertools.count()
_TYPES: dict[str, Any] = {"Tensor": torch.Tensor, "Boxes": Boxes, "RotatedBoxes": RotatedBoxes}


def patch_nonscriptable_classes() -> None:
    """Do nothing: the scriptable classes of the library need no patches."""


@contextlib.contextmanager
def freeze_training_mode(model: nn.Module) -> Iterator[None]:
    """Declare `training` as a constant of the model's classes, so that scripting omits the code of the other mode.

    Args:
        model: The model, already in its final mode.
    """
    classes = {type(module) for module in model.modules()}
    with contextlib.ExitStack() as stack:
        for cls in classes:
            notes = {**inspect.get_annotations(cls), "training": torch.jit.Final[bool]}
            stack.enter_context(mock.patch.object(cls, "__annotations__", notes, create=True))
        yield


@contextlib.contextmanager
def patch_builtin_len(modules: Sequence[ModuleType | str] = ()) -> Iterator[None]:
    """Replace `len(x)` by `x.__len__()`, which `torch.jit.trace` records as a dynamic value.

    Args:
        modules: Modules to patch in addition to the library's models and structures.
    """
    chosen = [sys.modules[module] if isinstance(module, str) else module for module in modules]
    ours = ("detectory.modeling.", "detectory.structures.")
    chosen += [module for name, module in list(sys.modules.items()) if name.startswith(ours)]
    with contextlib.ExitStack() as stack:
        for module in chosen:
            stack.enter_context(mock.patch.object(module, "len", _recorded_len, create=True))
        yield


def _recorded_len(obj: Any) -> Any:
    return obj.__len__()


@contextlib.contextmanager
def patch_instances(fields: Mapping[str, Any]) -> Iterator[type]:
    """Replace `Instances` in scripted code by a class with these fields, because TorchScript classes are static.

    Args:
        fields: Type of every field: `torch.Tensor`, `Boxes` or `RotatedBoxes`, or their names.

    Yields:
        The class. Its constructor takes `image_size` and the fields by keyword. It has the fields as attributes, `has`,
            `to`, `cat`, `len()`, indexing by a tensor, and the static method `from_instances` that converts an
            `Instances`.

    Raises:
        ValueError: If a field has an unsupported type, or its name is not a valid attribute name.
    """
    _forget_scripted_types()
    cls = _class_with(fields)
    torch.jit.script(cls)
    # TorchScript resolves the type of Instances by this name and treats the class as already scripted.
    name = torch._jit_internal._qualified_name(cls)
    with (
        mock.patch.object(Instances, "_jit_override_qualname", name, create=True),
        mock.patch.object(Instances, "__torch_script_class__", True, create=True),
    ):
        try:
            yield cls
        finally:
            _forget_scripted_types()


def _forget_scripted_types() -> None:
    """Clear TorchScript's caches, so that a module scripted with other fields is compiled again."""
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._jit_caching_layer.clear()


def _class_with(fields: Mapping[str, Any]) -> type:
    types = {name: t if isinstance(t, str) else t.__name__ for name, t in fields.items()}
    for name, type_name in types.items():
        if type_name not in _TYPES:
            raise ValueError(f"patch_instances: field {name!r} must be one of {', '.join(_TYPES)}, got {type_name}")
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"patch_instances: field name must be a public identifier, got {name!r}")
    number = next(_number)
    module = ModuleType(f"detectory_scripted_instances_{number}")
    source = _source_of(f"ScriptedInstances{number}", types)
    # TorchScript finds the source of a class through linecache and __file__.
    file = f"<{module.__name__}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[module.__name__] = module
    module.__dict__.update(_TYPES, torch=torch, __file__=file)
    exec(compile("from typing import Dict, List, Optional, Tuple\n", file, "exec"), module.__dict__)
    exec(compile(source, file, "exec"), module.__dict__)
    cls: Any = getattr(module, f"ScriptedInstances{number}")
    cls.from_instances = staticmethod(lambda instances: _converted(cls, types, instances))
    return cls


def _converted(cls: Any, types: Mapping[str, str], instances: Instances) -> Any:
    converted = cls(instances.image_size)
    for name, value in instances.get_fields().items():
        if name not in types:
            raise ValueError(f"from_instances: unknown field {name!r}, expected one of {', '.join(types)}")
        setattr(converted, f"_{name}", value)
    return converted


def _source_of(name: str, types: Mapping[str, str]) -> str:
    """Return the source of the class, which TorchScript compiles."""
    arguments = "".join(f", {field}: Optional[{type_name}] = None" for field, type_name in types.items())
    lines = [
        f"class {name}:",
        f"    def __init__(self, image_size: Tuple[int, int]{arguments}):",
        "        self.image_size = image_size",
        f"        self._field_names: List[str] = {list(types)!r}",
        *(
            f"        self._{field} = torch.jit.annotate(Optional[{type_name}], {field})"
            for field, type_name in types.items()
        ),
        *(line for field, type_name in types.items() for line in _property_lines(field, type_name)),
        "    def has(self, name: str) -> bool:",
        *(f"        if name == {field!r}: return self._{field} is not None" for field in types),
        "        return False",
        "    def __len__(self) -> int:",
    ]
    for field, type_name in types.items():
        length = "value.shape[0]" if type_name == "Tensor" else "value.tensor.shape[0]"
        lines += [f"        value = self._{field}", "        if value is not None:", f"            return {length}"]
    lines += ["        raise NotImplementedError('Instances: no field is set, the length is unknown')"]
    for method, argument, change in (
        ("to", "device: torch.device", "value.to(device)"),
        ("__getitem__", "item: torch.Tensor", "value[item]"),
    ):
        lines += [
            f"    def {method}(self, {argument}) -> {name!r}:",
            f"        changed = {_empty(name, 'self', types)}",
        ]
        for field in types:
            lines += [
                f"        value_{field} = self._{field}",
                f"        if value_{field} is not None:",
                f"            changed._{field} = {change.replace('value', f'value_{field}')}",
            ]
        lines += ["        return changed"]
    lines += ["    def get_fields(self) -> Dict[str, Tensor]:", "        fields: Dict[str, Tensor] = {}"]
    for field, type_name in types.items():
        tensor = "value" if type_name == "Tensor" else "value.tensor"
        lines += [
            f"        field_{field} = self._{field}",
            f"        if field_{field} is not None:",
            f"            fields[{field!r}] = {tensor.replace('value', f'field_{field}')}",
        ]
    lines += ["        return fields"]
    return "\n".join([*lines, *_cat_lines(name, types)]) + "\n"


def _empty(name: str, like: str, types: Mapping[str, str]) -> str:
    """Return a constructor call without fields; the scripted class cannot use its default arguments in its body."""
    return f"{name}({', '.join([f'{like}.image_size', *('None' for _ in types)])})"


def _property_lines(field: str, type_name: str) -> list[str]:
    return [
        "    @property",
        f"    def {field}(self) -> {type_name}:",
        f"        value = self._{field}",
        "        assert value is not None",
        "        return value",
        f"    @{field}.setter",
        f"    def {field}(self, value: {type_name}) -> None:",
        f"        self._{field} = value",
    ]


def _cat_lines(name: str, types: Mapping[str, str]) -> list[str]:
    """Return the source of `cat`, which concatenates the fields set in the first object."""
    lines = [
        f"    def cat(self, instances: List[{name!r}]) -> {name!r}:",
        f"        joined = {_empty(name, 'instances[0]', types)}",
    ]
    for field, type_name in types.items():
        join = f"torch.cat(all_{field})" if type_name == "Tensor" else f"all_{field}[0].cat(all_{field})"
        lines += [
            f"        if instances[0]._{field} is not None:",
            f"            all_{field} = torch.jit.annotate(List[{type_name}], [])",
            "            for x in instances:",
            f"                all_{field}.append(x.{field})",
            f"            joined._{field} = {join}",
        ]
    return [*lines, "        return joined"]
