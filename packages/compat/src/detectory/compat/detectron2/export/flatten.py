"""Flattening of inputs and outputs under Detectron2's module path."""

from collections.abc import Callable
from typing import Any

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

    def _create_wrapper(self, traced_model: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with the inputs and outputs of the original model that calls a traced one."""

        def call(*inputs: Any) -> Any:
            if self.outputs_schema is None:
                raise ValueError("TracingAdapter: the adapter must be traced or called before it is wrapped")
            tensors, _ = flatten_to_tuple(inputs)
            return self.outputs_schema(traced_model(*tensors))

        return call
