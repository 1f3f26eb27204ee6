"""Nested inputs and outputs of a model as a flat tuple, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch

from detectory.core.config import locate
from detectory.structures import Boxes, Instances, ROIMasks


@dataclass(frozen=True)
class Schema:
    """How an object was taken apart. Two objects of one structure have equal schemas.

    A subclass handles one kind of container: `flatten` takes it apart, calling the schema puts it together.
    """

    @classmethod
    def flatten(cls, obj: Any) -> tuple[tuple[Any, ...], Schema]:
        """Return the leaves of `obj` and the schema that rebuilds it."""
        return (obj,), cls()

    def __call__(self, values: Sequence[Any]) -> Any:
        """Rebuild the object from its leaves."""
        _expect(self, values, 1)
        return values[0]


@dataclass(frozen=True)
class IdentitySchema(Schema):
    """A leaf: a tensor, or anything else that is not taken apart."""


@dataclass(frozen=True)
class ListSchema(Schema):
    """A list: the schema and the number of leaves of each entry."""

    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    kind: ClassVar[type[list] | type[tuple]] = list

    @classmethod
    def flatten(cls, obj: Sequence[Any]) -> tuple[tuple[Any, ...], Schema]:
        """Take a list or tuple apart."""
        leaves, schemas, sizes = _flatten_all(obj)
        return leaves, cls(schemas, sizes)

    def __call__(self, values: Sequence[Any]) -> Any:
        """Rebuild the list or tuple."""
        return self.kind(_rebuild_all(self, self.schemas, self.sizes, values))


@dataclass(frozen=True)
class TupleSchema(ListSchema):
    """A tuple, like `ListSchema`."""

    kind: ClassVar[type[list] | type[tuple]] = tuple


@dataclass(frozen=True)
class DictSchema(Schema):
    """A mapping with strings as keys, in their sorted order."""

    keys: tuple[str, ...]
    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    @classmethod
    def flatten(cls, obj: Mapping[str, Any]) -> tuple[tuple[Any, ...], Schema]:
        """Take a mapping apart.

        Raises:
            TypeError: when a key is no string.
        """
        if any(not isinstance(key, str) for key in obj):
            raise TypeError(f"DictSchema.flatten: keys must be strings, got {list(obj)}")
        keys = tuple(sorted(obj))
        leaves, schemas, sizes = _flatten_all([obj[key] for key in keys])
        return leaves, cls(keys, schemas, sizes)

    def __call__(self, values: Sequence[Any]) -> dict[str, Any]:
        """Rebuild the dict."""
        return dict(zip(self.keys, _rebuild_all(self, self.schemas, self.sizes, values), strict=True))


@dataclass(frozen=True)
class InstancesSchema(Schema):
    """`Instances`: the fields in their sorted order, and the image's size as a tensor of two numbers."""

    keys: tuple[str, ...]
    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    @classmethod
    def flatten(cls, obj: Instances) -> tuple[tuple[Any, ...], Schema]:
        """Take instances apart."""
        size = torch.as_tensor(obj.image_size)
        keys = tuple(sorted(obj.get_fields()))
        leaves, schemas, sizes = _flatten_all([*(obj.get(key) for key in keys), size])
        return leaves, cls(keys, schemas, sizes)

    def __call__(self, values: Sequence[Any]) -> Instances:
        """Rebuild the instances; the size stays a tensor while `torch.jit.trace` records."""
        *fields, size = _rebuild_all(self, self.schemas, self.sizes, values)
        image_size = size if torch.jit.is_tracing() else tuple(size.tolist())
        return Instances(image_size, **dict(zip(self.keys, fields, strict=True)))


@dataclass(frozen=True)
class TensorWrapSchema(Schema):
    """An object that is made from its one attribute `tensor`, such as `Boxes`; the class or its dotted path."""

    wrapper: type

    def __post_init__(self) -> None:
        if isinstance(self.wrapper, str):
            object.__setattr__(self, "wrapper", locate(self.wrapper))

    @classmethod
    def flatten(cls, obj: Any) -> tuple[tuple[Any, ...], Schema]:
        """Take the tensor out."""
        return (obj.tensor,), cls(type(obj))

    def __call__(self, values: Sequence[Any]) -> Any:
        """Wrap the tensor again."""
        _expect(self, values, 1)
        return self.wrapper(values[0])


def _make_tuples(schema: Schema) -> None:
    """Let fields that came as lists, from a JSON file, be tuples: equal schemas are those of equal fields."""
    for field in fields(schema):
        object.__setattr__(schema, field.name, tuple(getattr(schema, field.name)))


def flatten_to_tuple(obj: Any) -> tuple[tuple[Any, ...], Schema]:
    """Flatten lists, tuples, dicts, `Instances`, `Boxes` and `ROIMasks`; everything else is a leaf.

    Returns:
        The leaves, and the schema that puts them together again.

    Example:
        >>> leaves, schema = flatten_to_tuple({"size": (3, 4), "name": "a"})
        >>> leaves
        ('a', 3, 4)
        >>> schema(leaves)
        {'name': 'a', 'size': (3, 4)}
    """
    kinds: tuple[tuple[type | tuple[type, ...], type[Schema]], ...] = (
        (list, ListSchema),
        (tuple, TupleSchema),
        (Mapping, DictSchema),
        (Instances, InstancesSchema),
        ((Boxes, ROIMasks), TensorWrapSchema),
    )
    schema = next((schema for kind, schema in kinds if isinstance(obj, kind)), IdentitySchema)
    return schema.flatten(obj)


def _flatten_all(objects: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Schema, ...], tuple[int, ...]]:
    """Return all leaves, and the schema and number of leaves of each object."""
    flat = [flatten_to_tuple(obj) for obj in objects]
    leaves = tuple(leaf for of_one, _ in flat for leaf in of_one)
    return leaves, tuple(schema for _, schema in flat), tuple(len(of_one) for of_one, _ in flat)


def _rebuild_all(owner: Schema, schemas: Sequence[Schema], sizes: Sequence[int], values: Sequence[Any]) -> list[Any]:
    _expect(owner, values, sum(sizes))
    objects, start = [], 0
    for schema, size in zip(schemas, sizes, strict=True):
        objects.append(schema(values[start : start + size]))
        start += size
    return objects


def _expect(schema: Schema, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{type(schema).__name__}: needs {count} values to rebuild the object, got {len(values)}")
