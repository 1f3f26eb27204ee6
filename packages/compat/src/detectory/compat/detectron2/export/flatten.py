"""Flattening of inputs and outputs under Detectron2's module path."""

from detectory.export.flatten import (
    DictSchema,
    IdentitySchema,
    InstancesSchema,
    ListSchema,
    Schema,
    TensorWrapSchema,
    TupleSchema,
    flatten_to_tuple,
)
from detectory.export.tracing_adapter import TracingAdapter

__all__ = [
    "DictSchema",
    "IdentitySchema",
    "InstancesSchema",
    "ListSchema",
    "Schema",
    "TensorWrapSchema",
    "TracingAdapter",
    "TupleSchema",
    "flatten_to_tuple",
]
