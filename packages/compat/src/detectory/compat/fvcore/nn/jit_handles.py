"""Operation counts of nodes in a traced TorchScript graph, under fvcore's module path.

A handle takes the inputs and outputs of a node, lists of `torch._C.Value`, and returns a number of operations. A
multiply-add is one operation. `FlopCountAnalysis` counts executed operators and does not call these functions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

__all__ = [
    "Handle",
    "addmm_flop_jit",
    "batchnorm_flop_jit",
    "bmm_flop_jit",
    "conv_flop_count",
    "conv_flop_jit",
    "einsum_flop_jit",
    "elementwise_flop_counter",
    "generic_activation_jit",
    "get_shape",
    "linear_flop_jit",
    "matmul_flop_jit",
    "norm_flop_counter",
]

Handle = Callable[[Sequence[Any], Sequence[Any]], Any]


def get_shape(val: Any) -> list[int] | None:
    """Return the shape of a tensor value; None for other values and unknown shapes."""
    return val.type().sizes() if val.isCompleteTensor() else None


def _known_shape(val: Any) -> list[int]:
    shape = get_shape(val)
    if shape is None:
        raise ValueError(f"jit_handles: value '{val.debugName()}' must be a tensor of known shape")
    return shape


def generic_activation_jit(op_name: str | None = None) -> Handle:
    """Return a handle that counts the elements of the first output, as a `Counter` if `op_name` is set."""

    def count(inputs: Sequence[Any], outputs: Sequence[Any]) -> int | Counter[str]:
        del inputs
        elements = prod(_known_shape(outputs[0]))
        return elements if op_name is None else Counter({op_name: elements})

    return count


def matmul_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count a product of vectors, matrices or batches of matrices."""
    return prod(_known_shape(outputs[0])) * _known_shape(inputs[0])[-1]


def bmm_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count a product of batches of matrices."""
    return matmul_flop_jit(inputs, outputs)


def addmm_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count the matrix product of `bias + a @ b`."""
    return matmul_flop_jit(inputs[1:], outputs)


def linear_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count the matrix product of a linear layer."""
    return matmul_flop_jit(inputs, outputs)


def conv_flop_count(
    x_shape: Sequence[int], w_shape: Sequence[int], out_shape: Sequence[int], transposed: bool = False
) -> int:
    """Count a convolution of any number of dimensions.

    Args:
        x_shape: Shape of the input, `(B, C, …)`.
        w_shape: Shape of the weight.
        out_shape: Shape of the output, `(B, C, …)`.
        transposed: Whether the convolution is transposed.
    """
    return x_shape[0] * prod(w_shape) * prod((x_shape if transposed else out_shape)[2:])


def conv_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count an `aten::_convolution`."""
    x, weight = inputs[:2]
    transposed = bool(inputs[6].toIValue())
    return conv_flop_count(_known_shape(x), _known_shape(weight), _known_shape(outputs[0]), transposed)


def einsum_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count an `einsum` of at most two operands.

    Raises:
        ValueError: If there are more operands, or the equation contains an ellipsis.
    """
    del outputs
    equation = inputs[0].toIValue().replace(" ", "")
    terms = equation.split("->")[0].split(",")
    if len(terms) > 2 or "." in equation:
        raise ValueError(f"einsum_flop_jit: equation must have one or two operands without '...', got '{equation}'")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, inputs[1].node().inputs(), strict=True):
        sizes.update(zip(term, _known_shape(operand), strict=True))
    return prod(sizes.values())


def norm_flop_counter(affine_arg_index: int) -> Handle:
    """Return a handle for normalization layers: 4 operations per element, 5 with an affine transform.

    Args:
        affine_arg_index: Position of the affine weight among the inputs.
    """

    def count(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        del outputs
        has_affine = get_shape(inputs[affine_arg_index]) is not None
        return prod(_known_shape(inputs[0])) * (5 if has_affine else 4)

    return count


def batchnorm_flop_jit(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count a batch norm; in inference it is one operation per element, two with an affine transform."""
    if inputs[5].toIValue():
        return norm_flop_counter(1)(inputs, outputs)
    return prod(_known_shape(inputs[0])) * (1 if get_shape(inputs[1]) is None else 2)


def elementwise_flop_counter(input_scale: float = 1, output_scale: float = 0) -> Handle:
    """Return a handle that counts `input_scale` operations per input element and `output_scale` per output element."""

    def count(inputs: Sequence[Any], outputs: Sequence[Any]) -> float:
        operations: float = 0
        if input_scale:
            operations += input_scale * prod(_known_shape(inputs[0]))
        if output_scale:
            operations += output_scale * prod(_known_shape(outputs[0]))
        return operations

    return count
