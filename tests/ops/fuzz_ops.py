"""Fuzz the box, pooling and sampling operators with random shapes, strides, dtypes and values.

usage: fuzz_ops.py [--seconds N] [--seed N]

Invalid arguments must raise a Python error. The run ends with the failing seed on a crash, a sanitizer report, or a
result that differs from the result for contiguous copies. `nox -s sanitize` runs the script on a build with
AddressSanitizer and UndefinedBehaviorSanitizer.
"""

import argparse
import random
import time
from collections.abc import Callable

import torch

import detectory.ops as ops

EXPECTED = (TypeError, ValueError, RuntimeError)
SPECIAL = (0.0, -1.0, 1e-30, 1e9, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))
DTYPES = (torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16)


def size(most: int = 40) -> int:
    """Return a random count: 0, 1 or many."""
    return random.choice((0, 1, 2, random.randint(3, most)))


def numbers(*shape: int, scale: float = 20.0, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return random values of both signs, some of them special, sometimes with unusual strides."""
    dtype = dtype or random.choice(DTYPES)
    padded = [extent + random.choice((0, 0, 1, 3)) for extent in shape]
    values = torch.randn(padded) * scale
    if random.random() < 0.3 and values.numel():
        where = torch.rand(values.shape) < 0.1
        values[where] = random.choice(SPECIAL)
    values = values.to(dtype)[tuple(slice(0, extent) for extent in shape)]
    if random.random() < 0.2 and values.dim() == 4:
        values = values.contiguous(memory_format=torch.channels_last)
    return values.transpose(0, -1).contiguous().transpose(0, -1) if random.random() < 0.2 else values


def boxes(count: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
    """Return boxes, most of them valid."""
    result = numbers(count, columns, dtype=dtype)
    if columns == 4 and random.random() < 0.8:
        result[:, 2:] = result[:, :2] + result[:, 2:].abs()
    return result


def overlap() -> tuple[Callable, tuple]:
    """Call the pairwise overlap operators."""
    dtype = random.choice(DTYPES)
    columns = random.choice((4, 5))
    functions = [ops.pairwise_iou_rotated] if columns == 5 else [ops.pairwise_iou, ops.pairwise_ioa, ops.pairwise_giou]
    return random.choice(functions), (boxes(size(), columns, dtype), boxes(size(), columns, dtype))


def suppression() -> tuple[Callable, tuple]:
    """Call all NMS operators."""
    count, columns, threshold = size(1500), random.choice((4, 5)), random.choice((0.0, 0.3, 0.7, 1.0))
    scores = numbers(count)
    own = boxes(count, columns, random.choice(DTYPES))
    if random.random() < 0.5:
        return (ops.nms if columns == 4 else ops.nms_rotated), (own, scores, threshold)
    idxs = torch.randint(-(2**62), 2**62, (count,)) if random.random() < 0.2 else torch.randint(5, (count,))
    return (ops.batched_nms if columns == 4 else ops.batched_nms_rotated), (own, scores, idxs, threshold)


def pooling() -> tuple[Callable, tuple]:
    """Call RoIAlign and rotated RoIAlign."""
    batch, columns = size(3), random.choice((5, 6))
    rois = numbers(size(30), columns)
    rois[:, 0] = random.choice((0, 0, 0, batch - 1, batch, -1))
    function = ops.roi_align if columns == 5 else ops.roi_align_rotated
    input = numbers(batch, size(70), size(12), size(12))
    output = random.choice((1, 7, (2, 3), (14, 1)))
    arguments = (input, rois, output, random.choice((0.25, 1.0, 3.0)), random.choice((0, 0, 1, 2)))
    return function, (*arguments, random.random() < 0.5) if columns == 5 else arguments


def convolution() -> tuple[Callable, tuple]:
    """Call deformable convolution, forward and backward."""
    dtype, kernel = random.choice(DTYPES), (random.randint(1, 3), random.randint(1, 3))
    groups, offsets = random.choice((1, 2)), random.choice((1, 2, 3))
    channels = 6 * random.choice((1, 1, 6))
    steps = [tuple(random.randint(low, 2) for _ in range(2)) for low in (1, 0, 1)]
    extent = [random.randint(1, 12) for _ in range(2)]
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(extent, kernel, *steps, strict=True)]
    out = [max(0, n) for n in out]
    batch, taps = size(3), kernel[0] * kernel[1]
    mask = numbers(batch, offsets * taps, *out, scale=1, dtype=dtype) if random.random() < 0.5 else None
    offset = numbers(batch, 2 * offsets * taps, *out, scale=3, dtype=dtype)
    weight = numbers(4, channels // groups, *kernel, dtype=dtype)
    return ops.deform_conv2d, (numbers(batch, channels, *extent, dtype=dtype), offset, weight, None, *steps, mask)


def attention() -> tuple[Callable, tuple]:
    """Call multi-scale deformable attention, sometimes with invalid levels."""
    dtype, levels, points, heads, batch, queries = random.choice(DTYPES), 2, size(4), size(4), size(3), size(20)
    shapes = torch.randint(1, 6, (levels, 2))
    areas = shapes.prod(1)
    starts = torch.tensor([0, int(areas[0]) + random.choice((0, 0, 0, 1, -9))])
    value = numbers(batch, int(areas.sum()), heads, size(40), dtype=dtype)
    locations = numbers(batch, queries, heads, levels, points, 2, scale=1, dtype=dtype)
    return ops.ms_deform_attn, (
        value,
        shapes,
        starts,
        locations,
        numbers(batch, queries, heads, levels, points, scale=1, dtype=dtype),
    )


CASES = (overlap, suppression, pooling, convolution, attention)


def run_once() -> bool:
    """Call one operator, forward and backward; return whether the arguments were accepted."""
    function, arguments = random.choice(CASES)()
    arguments = tuple(
        argument.detach().requires_grad_()
        if isinstance(argument, torch.Tensor) and argument.is_floating_point() and random.random() < 0.5
        else argument
        for argument in arguments
    )
    try:
        result = function(*arguments)
        if result.requires_grad:
            result.sum().backward()
    except EXPECTED:
        return False
    copies = [a.detach().contiguous() if isinstance(a, torch.Tensor) else a for a in arguments]
    torch.testing.assert_close(result.detach(), function(*copies), equal_nan=True, atol=1e-2, rtol=1e-2)
    return True


def main() -> None:
    """Parse the command line, run, and print the number of calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="the first seed; each call takes the next one")
    arguments = parser.parse_args()
    end, seed, taken = time.monotonic() + arguments.seconds, arguments.seed, 0
    while time.monotonic() < end:
        random.seed(seed), torch.manual_seed(seed)
        try:
            taken += run_once()
        except BaseException:
            print(f"fuzz_ops: failed with --seed {seed}")
            raise
        seed += 1
    print(f"fuzz_ops: {seed - arguments.seed} calls, {taken} accepted, no errors")


if __name__ == "__main__":
    main()
