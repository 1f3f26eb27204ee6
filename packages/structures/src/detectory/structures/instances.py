"""Predictions or ground truth of the objects of one image."""

import difflib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree


def _is_traced() -> bool:
    """Return whether a graph is recorded, where lengths are symbolic and comparing them would add constraints."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()


def _length(value: Any) -> int:
    """Return the number of rows. Unlike `len`, this keeps a symbolic size symbolic."""
    tensor = getattr(value, "tensor", value)
    return tensor.shape[0] if isinstance(tensor, torch.Tensor) and tensor.dim() > 0 else len(value)


class Instances:
    """N objects of one image: named fields of equal length, such as `pred_boxes`, `scores` or `gt_masks`.

    A field is any value that has a length and can be indexed: a tensor, `Boxes`, masks or a list. Fields are read and
    set as attributes; attributes that start with `_` are private. An instance is a torch pytree with the values of the
    fields as children.

    Args:
        image_size: `(height, width)` of the image.
        **kwargs: Fields.

    Example:
        >>> instances = Instances((480, 640), scores=torch.tensor([0.9, 0.2]))
        >>> instances.pred_classes = torch.tensor([3, 7])
        >>> len(instances), "pred_classes" in instances
        (2, True)
        >>> instances[instances.scores > 0.5].pred_classes
        tensor([3])
    """

    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """`(height, width)` of the image."""
        return self._image_size

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "_fields" or name not in self._fields:
            raise AttributeError(self._no_such_field(name))
        return self._fields[name]

    def _no_such_field(self, name: str) -> str:
        known = list(self.__dict__.get("_fields", {}))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"Instances: no field {name!r}, the fields are {known}{hint}"

    def set(self, name: str, value: Any) -> None:
        """Set a field.

        Raises:
            ValueError: If the length of `value` differs from that of the other fields, or `name` is `image_size`.
            TypeError: If `value` has no length.
        """
        if name == "image_size":
            raise ValueError("Instances: image_size is read-only and cannot be a field")
        if not hasattr(value, "__len__") or (isinstance(value, torch.Tensor) and value.dim() == 0):
            raise TypeError(f"Instances: field {name!r} must have a length, got {type(value).__name__} {value}")
        others = [other for other in self._fields if other != name]
        if others and not _is_traced() and _length(value) != _length(self._fields[others[0]]):
            raise ValueError(
                f"Instances: field {name!r} has {_length(value)} entries, "
                f"but {others[0]!r} has {_length(self._fields[others[0]])}"
            )
        self._fields[name] = value

    def has(self, name: str) -> bool:
        """Return whether the field exists."""
        return name in self._fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def remove(self, name: str) -> None:
        """Delete a field.

        Raises:
            KeyError: If the field does not exist.
        """
        if name not in self._fields:
            raise KeyError(self._no_such_field(name))
        del self._fields[name]

    def __delattr__(self, name: str) -> None:
        if name.startswith("_"):
            super().__delattr__(name)
        elif name in self._fields:
            del self._fields[name]
        else:
            raise AttributeError(self._no_such_field(name))

    def get(self, name: str) -> Any:
        """Return a field.

        Raises:
            KeyError: If the field does not exist.
        """
        if name not in self._fields:
            raise KeyError(self._no_such_field(name))
        return self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """Return the fields by name; changing the dict changes the object."""
        return self._fields

    def to(self, *args: Any, **kwargs: Any) -> "Instances":
        """Return a copy with `field.to(*args, **kwargs)` for every field that has a method `to`."""
        moved = Instances(self._image_size)
        for name, value in self._fields.items():
            moved.set(name, value.to(*args, **kwargs) if hasattr(value, "to") else value)
        return moved

    def __getitem__(self, item: int | slice | torch.Tensor | str) -> Any:
        """Select objects. A string returns the field of that name.

        Args:
            item: An int, a slice, a list or tensor of indices, or a bool tensor of length N. An int selects one object.

        Raises:
            IndexError: If an int is out of range.
        """
        if isinstance(item, str):
            return self.get(item)
        if isinstance(item, int) and not isinstance(item, bool):
            length = len(self)
            if not -length <= item < length:
                raise IndexError(f"Instances: index {item} is out of range for {length} objects")
            item = slice(item % length, item % length + 1)
        selected = Instances(self._image_size)
        for name, value in self._fields.items():
            selected.set(name, _select(value, item))
        return selected

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        raise ValueError("Instances: the number of objects is unknown without any fields")

    def __bool__(self) -> bool:
        return not self._fields or len(self) > 0

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            "Instances: not iterable, because fields are columns. Use instances[i] for i in range(len(instances))"
        )

    @staticmethod
    def cat(instance_lists: list["Instances"]) -> "Instances":
        """Concatenate the objects of one image.

        Args:
            instance_lists: At least one entry; all with the same image size and field names. Tensors, arrays, lists and
                values of classes with a method `cat` can be concatenated.

        Raises:
            ValueError: If the list is empty, or image sizes or field names differ.
            TypeError: If an entry is not `Instances` or a field cannot be concatenated.
        """
        if len(instance_lists) == 0:
            raise ValueError("Instances.cat: list must not be empty")
        for position, entry in enumerate(instance_lists):
            if not isinstance(entry, Instances):
                raise TypeError(f"Instances.cat: entry {position} must be Instances, got {type(entry).__name__}")
            _check_match(instance_lists[0], entry, position)
        if len(instance_lists) == 1:
            return instance_lists[0]
        result = Instances(instance_lists[0].image_size)
        for name in instance_lists[0].get_fields():
            result.set(name, _concatenate(name, [entry.get(name) for entry in instance_lists]))
        return result

    def __str__(self) -> str:
        h, w = self._image_size
        count = len(self) if self._fields else "unknown"
        fields = ", ".join(f"{name}: {value}" for name, value in self._fields.items())
        return f"Instances(num_instances={count}, image_height={h}, image_width={w}, fields=[{fields}])"

    __repr__ = __str__


def _select(value: Any, item: Any) -> Any:
    if not isinstance(value, list | tuple) or isinstance(item, slice):
        return value[item]
    index = np.asarray(item.cpu() if isinstance(item, torch.Tensor) else item)
    if index.dtype == bool:
        if len(index) != len(value):
            raise IndexError(f"Instances: bool index must have {len(value)} entries, got {len(index)}")
        index = index.nonzero()[0]
    return type(value)([value[i] for i in index.astype(int)])


def _check_match(first: Instances, entry: Instances, position: int) -> None:
    if not _is_traced() and tuple(entry.image_size) != tuple(first.image_size):
        raise ValueError(
            f"Instances.cat: image sizes must be equal, got {first.image_size} in entry 0 "
            f"and {entry.image_size} in entry {position}"
        )
    if entry.get_fields().keys() != first.get_fields().keys():
        raise ValueError(
            f"Instances.cat: field names must be equal, got {list(first.get_fields())} in entry 0 "
            f"and {list(entry.get_fields())} in entry {position}"
        )


def _concatenate(name: str, values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(values, dim=0)
    if isinstance(first, list | tuple):
        return type(first)(itertools.chain(*values))
    if isinstance(first, np.ndarray):
        return np.concatenate(values, axis=0)
    if hasattr(type(first), "cat"):
        return type(first).cat(values)
    raise TypeError(f"Instances.cat: field {name!r} of type {type(first).__name__} cannot be concatenated")


_Context = tuple[Any, tuple[str, ...]]


def _flatten(instances: Instances) -> tuple[list[Any], _Context]:
    fields = instances.get_fields()
    return list(fields.values()), (instances.image_size, tuple(fields))


def _flatten_with_keys(instances: Instances) -> tuple[list[tuple[pytree.KeyEntry, Any]], _Context]:
    children, context = _flatten(instances)
    return [(pytree.GetAttrKey(name), child) for name, child in zip(context[1], children, strict=True)], context


def _unflatten(children: Iterable[Any], context: _Context) -> Instances:
    """Rebuild without checks: torch also builds trees with shapes, names or `None` in place of the fields."""
    image_size, names = context
    instances = Instances(image_size)
    instances._fields = dict(zip(names, children, strict=True))
    return instances


pytree.register_pytree_node(
    Instances,
    _flatten,
    _unflatten,
    serialized_type_name="detectory.structures.Instances",
    to_dumpable_context=lambda context: [list(context[0]), list(context[1])],
    from_dumpable_context=lambda dumped: (tuple(dumped[0]), tuple(dumped[1])),
    flatten_with_keys_fn=_flatten_with_keys,
)
