"""Fuzz the mask, matching and loss operators with random shapes, strides, dtypes and values.

usage: fuzz_masks.py [--seconds SECONDS] [--seed SEED]

Operators are called through `torch.ops.detectory`, without the checks of the Python functions, and may raise a
RuntimeError. Use a build with DETECTORY_SANITIZE=ON, which aborts at the first out-of-bounds access or undefined
operation. The seed of a failing call is printed.
"""

import argparse
import faulthandler
import random
import time
from collections import Counter

import torch

import detectory.ops  # noqa: F401  (registers the operators)

OPS = torch.ops.detectory
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
ODD = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e30, -1e30, 1e-40, 2.0**31, -(2.0**63), 0.5]


def size(high: int = 40) -> int:
    """Return a random size, often 0 or 1."""
    return random.choice([0, 1, random.randint(2, high)])


def strided(tensor: torch.Tensor) -> torch.Tensor:
    """Return the same values with different strides."""
    if tensor.dim() < 2 or random.random() < 0.5:
        return tensor.repeat_interleave(2, 0)[::2] if tensor.dim() and random.random() < 0.5 else tensor
    a, b = random.sample(range(tensor.dim()), 2)
    return tensor.transpose(a, b).contiguous().transpose(a, b)


def floats(*shape: int) -> torch.Tensor:
    """Return coordinates in and around an image, some of them special values."""
    values = torch.randn(shape, dtype=torch.float64) * random.choice([1, 30, 1000])
    if random.random() < 0.3 and values.numel():
        places = torch.rand(shape) < 0.1
        values[places] = random.choice(ODD)
    return strided(values.to(random.choice(FLOATS)))


def flags(*shape: int) -> torch.Tensor:
    """Return random booleans."""
    return strided(torch.rand(shape) < 0.5)


def offsets(count: int, rows: int) -> torch.Tensor:
    """Return offsets of groups in a list; 10 % are invalid."""
    inner = sorted(random.randint(0, count) for _ in range(max(rows - 1, 0)))
    cuts = [0, *inner, count] if rows else [0]
    if random.random() < 0.1:
        cuts[random.randrange(len(cuts))] += random.choice([-(2**62), -1, 1, 2**62])
    return torch.tensor(cuts)


def runs() -> tuple[torch.Tensor, torch.Tensor]:
    """Return run lengths of some masks, encoded or random."""
    if random.random() < 0.6:
        return OPS.rle_encode(flags(size(5), size(), size()))
    count = size(60)
    high = random.choice([3, 1000, 2**31])
    return torch.randint(-1, high, (count,), dtype=torch.int64).int(), offsets(count, size(5))


def sizes_of(rows: int) -> torch.Tensor:
    """Return heights and widths, sometimes invalid."""
    return torch.tensor([[random.choice([0, 1, 7, 40, 2**31, -1]) for _ in range(2)] for _ in range(rows)]).reshape(
        -1, 2
    )


def polygons() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return sets of polygons."""
    vertices, count = size(30), size(6)
    return floats(vertices, 2), offsets(vertices, count), offsets(count, size(4))


def call() -> tuple[str, tuple]:
    """Choose an operator and its arguments."""
    N, H, W = size(5), size(), size()
    counts, cuts = runs()
    rows, second = len(cuts) - 1, runs()
    others = len(second[1]) - 1
    masks = *second, sizes_of(others), flags(others)
    G, M, D = size(4), size(6), size(6)
    groups = offsets(D, G), offsets(M, G)
    regions = floats(N, size(9), size(9)), floats(N, 4)
    inputs = [size(9) for _ in range(random.randint(0, 3))]
    calls = {
        "paste_masks": (*regions, H, W, random.choice([-1.0, 0.0, 0.5, float("nan")])),
        "roi_masks_to_rle": (*regions, H, W, random.choice([0.0, 0.5, 1.0, float("nan")])),
        "polygons_to_masks": (*polygons(), H, W),
        "polygons_to_rle": (*polygons(), sizes_of(random.choice([N, 3]))),
        "rasterize_polygons_within_boxes": (*polygons(), torch.randint(0, 4, (N,)), floats(N, 4), H),
        "rle_encode": (
            strided(torch.randint(0, 3, (N, H, W)).to(random.choice([torch.bool, torch.uint8, torch.long]))),
        ),
        "rle_decode": (counts, cuts, H, W),
        "rle_area": (counts, cuts),
        "rle_to_bbox": (counts, cuts, sizes_of(rows)),
        "rle_merge": (counts, cuts, offsets(rows, size(3)), random.random() < 0.5),
        "rle_to_string": (counts, cuts),
        "rle_from_string": (torch.randint(40, 120, (M * 9,), dtype=torch.uint8), offsets(M * 9, M)),
        "rle_iou": (counts, cuts, sizes_of(rows), *masks, *(offsets(count, G) for count in (rows, others))),
        "grouped_box_iou": (floats(D, 4), floats(M, 4), flags(M), *groups),
        "coco_match": (floats(random.choice([D * M, 3])), floats(size(4)), *groups, flags(2, D), flags(2, M), flags(M)),
        "sigmoid_focal_loss": (floats(*inputs), floats(*inputs), 0.25, random.choice([0.0, 0.5, 2.0]), bool(N)),
        "sigmoid_focal_loss_backward": (floats(*inputs), floats(*inputs), floats(*inputs), 0.25, 2.0),
    }
    return random.choice(list(calls.items()))


def main() -> None:
    """Call operators until the time is up; print the numbers of accepted and rejected calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faulthandler.enable()
    end, seed, outcomes = time.monotonic() + arguments.seconds, arguments.seed, Counter()
    while time.monotonic() < end:
        random.seed(seed), torch.manual_seed(seed)
        try:
            name, values = call()
        except RuntimeError:
            outcomes["arguments"] += 1
        else:
            try:
                getattr(OPS, name)(*values)
                outcomes[name] += 1
            except RuntimeError:
                outcomes[f"{name} refused"] += 1
            except BaseException:
                print(f"seed {seed}: {name}")
                raise
        seed += 1
    for name, count in sorted(outcomes.items()):
        print(f"{count:>8} {name}")


if __name__ == "__main__":
    main()
