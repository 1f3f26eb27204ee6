"""Flattening of nested model inputs and outputs to tuples, and the schemas that rebuild them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch

from detectory.core.config import locate
from detectory.structures import Boxes, Instances, ROIMasks


@dataclass(frozen=True)
class Schema:
    """The structure of a flattened object. Objects of the same structure have equal schemas.

    Each subclass handles one container type: `flatten` splits the container, calling the schema rebuilds it.
    """

    @classmethod
    def flatten(cls, obj: Any) -> "tuple[tuple[Any, ...], Schema]":
        """Return the leaves of `obj` and the schema that rebuilds it."""
        return (obj,), cls()

    def __call__(self, values: Sequence[Any]) -> Any:
        """Rebuild the object from its leaves."""
        _expect(self, values, 1)
        return values[0]


@dataclass(frozen=True)
class IdentitySchema(Schema):
    """A leaf: a tensor, or any other object that is not a known container."""


@dataclass(frozen=True)
class ListSchema(Schema):
    """A list, with the schema and the number of leaves of each element."""

    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    container: ClassVar[type[list] | type[tuple]] = list

    @classmethod
    def flatten(cls, obj: Sequence[Any]) -> tuple[tuple[Any, ...], Schema]:
        """Flatten a list or tuple."""
        leaves, schemas, sizes = _flatten_all(obj)
        return leaves, cls(schemas, sizes)

    def __call__(self, values: Sequence[Any]) -> Any:
        """Rebuild the list or tuple."""
        return self.container(_rebuild_all(self, self.schemas, self.sizes, values))


@dataclass(frozen=True)
class TupleSchema(ListSchema):
    """A tuple, like `ListSchema`."""

    container: ClassVar[type[list] | type[tuple]] = tuple


@dataclass(frozen=True)
class DictSchema(Schema):
    """A mapping with string keys, in sorted order."""

    keys: tuple[str, ...]
    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    @classmethod
    def flatten(cls, obj: Mapping[str, Any]) -> tuple[tuple[Any, ...], Schema]:
        """Flatten a mapping.

        Raises:
            TypeError: If a key is not a string.
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
    """`Instances`: the fields in sorted order, followed by the image size as a tensor of shape (2,)."""

    keys: tuple[str, ...]
    schemas: tuple[Schema, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _make_tuples(self)

    @classmethod
    def flatten(cls, obj: Instances) -> tuple[tuple[Any, ...], Schema]:
        """Flatten instances."""
        size = torch.as_tensor(obj.image_size)
        keys = tuple(sorted(obj.get_fields()))
        leaves, schemas, sizes = _flatten_all([*(obj.get(key) for key in keys), size])
        return leaves, cls(keys, schemas, sizes)

    def __call__(self, values: Sequence[Any]) -> Instances:
        """Rebuild the instances; the image size stays a tensor during `torch.jit.trace`."""
        *fields, size = _rebuild_all(self, self.schemas, self.sizes, values)
        image_size = size if torch.jit.is_tracing() else tuple(size.tolist())
        return Instances(image_size, **dict(zip(self.keys, fields, strict=True)))


@dataclass(frozen=True)
class TensorWrapSchema(Schema):
    """An object constructed from its attribute `tensor`, such as `Boxes`; `wrapper` is its class or dotted path."""

    wrapper: type

    def __post_init__(self) -> None:
        if isinstance(self.wrapper, str):
            object.__setattr__(self, "wrapper", locate(self.wrapper))

    @classmethod
    def flatten(cls, obj: Any) -> tuple[tuple[Any, ...], Schema]:
        """Return the wrapped tensor."""
        return (obj.tensor,), cls(type(obj))

    def __call__(self, values: Sequence[Any]) -> Any:
        """Wrap the tensor again."""
        _expect(self, values, 1)
        return self.wrapper(values[0])


def _make_tuples(schema: Schema) -> None:
    """Convert list fields, as read from JSON, to tuples, so that equal schemas compare equal."""
    for field in fields(schema):
        object.__setattr__(schema, field.name, tuple(getattr(schema, field.name)))


def flatten_to_tuple(obj: Any) -> tuple[tuple[Any, ...], Schema]:
    """Flatten lists, tuples, dicts, `Instances`, `Boxes` and `ROIMasks`; everything else is a leaf.

    Returns:
        The leaves, and the schema that rebuilds the object from them.

    Example:
        >>> leaves, schema = flatten_to_tuple({"size": (3, 4), "name": "a"})
        >>> leaves
        ('a', 3, 4)
        >>> schema(leaves)
        {'name': 'a', 'size': (3, 4)}
    """
    schemas: tuple[tuple[type | tuple[type, ...], type[Schema]], ...] = (
        (list, ListSchema),
        (tuple, TupleSchema),
        (Mapping, DictSchema),
        (Instances, InstancesSchema),
        ((Boxes, ROIMasks), TensorWrapSchema),
    )
    schema = next((schema for types, schema in schemas if isinstance(obj, types)), IdentitySchema)
    return schema.flatten(obj)


def _flatten_all(objects: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Schema, ...], tuple[int, ...]]:
    """Return all leaves, and the schema and number of leaves of each object."""
    flat = [flatten_to_tuple(obj) for obj in objects]
    leaves = tuple(leaf for group, _ in flat for leaf in group)
    return leaves, tuple(schema for _, schema in flat), tuple(len(group) for group, _ in flat)


def _rebuild_all(owner: Schema, schemas: Sequence[Schema], sizes: Sequence[int], values: Sequence[Any]) -> list[Any]:
    _expect(owner, values, sum(sizes))
    objects, start = [], 0
    for schema, size in zip(schemas, sizes, strict=True):
        objects.append(schema(values[start : start + size]))
        start += size
    return objects


def _expect(schema: Schema, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{type(schema).__name__}: expected {count} values to rebuild the object, got {len(values)}")
