"""Flattening of inputs and outputs under Detectron2's module path."""

from torch import Tensor

from detectory.export.torchscript import tracing_adapter as native
from detectory.export.torchscript.flatten import (
    DictSchema,
    IdentitySchema,
    InstancesSchema,
    ListSchema,
    Schema,
    TensorWrapSchema,
    TupleSchema,
    flatten_to_tuple,
)

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


class TracingAdapter(native.TracingAdapter):
    """A `TracingAdapter` that with `allow_non_tensor` only accepts the tensors it was created with.

    Raises:
        ValueError: If `allow_non_tensor` is set and a call passes tensors other than `flattened_inputs`.
    """

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        """Call the model with the rebuilt inputs and return the output tensors."""
        own = self.flattened_inputs
        if self.allow_non_tensor and (len(args) != len(own) or any(a is not b for a, b in zip(args, own, strict=True))):
            raise ValueError(
                "TracingAdapter: with allow_non_tensor=True the adapter cannot generalize to other inputs, "
                "call it with flattened_inputs"
            )
        return super().forward(*args)
