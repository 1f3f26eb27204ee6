"""`TracingAdapter`: a model with flat tuples of tensors as inputs and outputs, as `torch.jit.trace` requires."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from detectory.export.torchscript.flatten import Schema, flatten_to_tuple


class TracingAdapter(nn.Module):
    """A wrapper that flattens the inputs and outputs of a model and keeps the schemas to rebuild them.

    Args:
        model: The model; its training mode is not changed.
        inputs: The argument or tuple of arguments of the model.
        inference_func: Called as `inference_func(model, *inputs)`; by default `model(*inputs)`.
        allow_non_tensor: Treat inputs that are not tensors as constants and drop outputs that are not tensors. The
            schemas are then `None`, because the objects cannot be rebuilt from tensors alone.

    Attributes:
        flattened_inputs: The tensors in `inputs`.
        inputs_schema: Rebuilds `inputs` from their tensors.
        outputs_schema: Rebuilds the outputs from the return value of `forward`; set by the first call.

    Raises:
        ValueError: If `inputs` contain anything but tensors and `allow_non_tensor` is False.

    Example:
        >>> from detectory.structures import Boxes
        >>> class Shift(nn.Module):
        ...     def forward(self, boxes):
        ...         return {"moved": Boxes(boxes.tensor + 1)}
        >>> adapter = TracingAdapter(Shift(), Boxes(torch.zeros(1, 4)))
        >>> flat = adapter(*adapter.flattened_inputs)
        >>> adapter.outputs_schema(flat)
        {'moved': Boxes(tensor([[1., 1., 1., 1.]]))}
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        inference_func: Callable[..., Any] | None = None,
        allow_non_tensor: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        self.inference_func = inference_func or _call
        self.allow_non_tensor = allow_non_tensor
        self._leaves, self._schema = flatten_to_tuple(self.inputs)
        others = [type(leaf).__name__ for leaf in self._leaves if not isinstance(leaf, torch.Tensor)]
        if others and not allow_non_tensor:
            raise ValueError(
                f"TracingAdapter: inputs must only contain tensors to be traced, got {', '.join(sorted(set(others)))}. "
                "allow_non_tensor=True keeps them as constants"
            )
        self.flattened_inputs = tuple(leaf for leaf in self._leaves if isinstance(leaf, torch.Tensor))
        self.inputs_schema: Schema | None = None if allow_non_tensor else self._schema
        self.outputs_schema: Schema | None = None

    def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Call the model with rebuilt inputs and return the tensors of its outputs.

        Args:
            *args: As many tensors as `flattened_inputs`.

        Raises:
            ValueError: If the number of tensors is wrong, or an output is not a tensor.
            RuntimeError: If the structure of the outputs differs from the first call.
        """
        if len(args) != len(self.flattened_inputs):
            raise ValueError(f"TracingAdapter: expected {len(self.flattened_inputs)} tensors, got {len(args)}")
        tensors = iter(args)
        leaves = [next(tensors) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        with torch.no_grad():
            outputs = self.inference_func(self.model, *self._schema(leaves))
        flat, schema = flatten_to_tuple(outputs)
        if self.allow_non_tensor:
            return tuple(leaf for leaf in flat if isinstance(leaf, torch.Tensor))
        self._check_outputs(flat, schema)
        self.outputs_schema = schema
        return flat

    def _check_outputs(self, flat: tuple[Any, ...], schema: Schema) -> None:
        others = sorted({type(leaf).__name__ for leaf in flat if not isinstance(leaf, torch.Tensor)})
        if others:
            raise ValueError(f"TracingAdapter: outputs must only contain tensors to be traced, got {', '.join(others)}")
        if self.outputs_schema is not None and schema != self.outputs_schema:
            raise RuntimeError(
                "TracingAdapter: outputs must have the same structure in every call, "
                f"got {schema} after {self.outputs_schema}"
            )


def _call(model: nn.Module, *inputs: Any) -> Any:
    return model(*inputs)
