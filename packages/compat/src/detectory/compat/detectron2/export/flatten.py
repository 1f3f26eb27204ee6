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
    """The library's adapter, strict about inputs that are no tensors: it takes the tensors that it was made with only.

    Raises:
        ValueError: with `allow_non_tensor`, when called with other tensors than `flattened_inputs`.
    """

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        """Call the model with rebuilt inputs and return the tensors of its outputs."""
        own = self.flattened_inputs
        if self.allow_non_tensor and (len(args) != len(own) or any(a is not b for a, b in zip(args, own, strict=True))):
            raise ValueError(
                "TracingAdapter: made with allow_non_tensor=True it cannot generalize to other inputs, "
                "call it with its flattened_inputs"
            )
        return super().forward(*args)
