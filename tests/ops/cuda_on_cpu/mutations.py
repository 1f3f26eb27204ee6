"""Check that errors in the CUDA kernels are found: `python tests/ops/cuda_on_cpu/mutations.py`.

Each mutation puts one typical error into a copy of the sources: a missing barrier, an index behind the end of an array.
The tests of the operator must fail with the compiled copy in at least one of a few orders of threads.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from build import FOLDER, build

SEEDS = range(5)


@dataclass(frozen=True)
class Mutation:
    """An error: the text of a file that is replaced, and the tests that must fail."""

    name: str
    operator: str
    file: str
    old: str
    new: str
    tests: str


_TILE = "for (int i = threadIdx.x; i < count * Overlap::columns; i += kTile) tile[i] ="
MUTATIONS = [
    Mutation(
        "NMS: no barrier after boxes are copied to shared memory",
        "nms",
        "cuda_nms.h",
        "  __syncthreads();\n  if (row >= N) return;",
        "  if (row >= N) return;",
        "test_nms.py",
    ),
    Mutation(
        "NMS: no barrier between decision and use",
        "nms",
        "cuda_nms.h",
        "        kept_bits = kept;\n      }\n      __syncthreads();",
        "        kept_bits = kept;\n      }",
        "test_nms.py",
    ),
    Mutation(
        "NMS: one box too many is copied to shared memory",
        "nms",
        "cuda_nms.h",
        _TILE,
        _TILE.replace("i < count * Overlap::columns", "i <= count * Overlap::columns"),
        "test_nms.py",
    ),
    Mutation(
        "focal loss: no barrier between the steps of a sum",
        "losses",
        "losses_cuda.cu",
        "sums[threadIdx.x] += sums[threadIdx.x + half];\n    __syncthreads();",
        "sums[threadIdx.x] += sums[threadIdx.x + half];",
        "test_losses.py",
    ),
    Mutation(
        "RoIAlign: a column behind the last one is read",
        "roi_align",
        "roi_align_cuda.cu",
        "const int x_end = x.starts[pw] + x.counts[pw], y_end",
        "const int x_end = x.starts[pw] + x.counts[pw] + 1, y_end",
        "test_roi_align.py",
    ),
]


def is_found(mutation: Mutation, folder: Path, environment: dict[str, str]) -> bool:
    """Return whether the tests fail with a mutation; the tests must have passed without it."""

    def edit(name: str, code: str) -> str:
        if name != mutation.file:
            return code
        if mutation.old not in code:
            sys.exit(f"{mutation.name}: {mutation.file} no longer contains the text that is replaced")
        return code.replace(mutation.old, mutation.new, 1)

    library = folder / f"{mutation.operator}.so"
    build(library, pattern=mutation.operator, edit=edit)
    for seed in SEEDS:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", FOLDER.parent / mutation.tests]
        settings = {**environment, "DETECTORY_CUDA_ON_CPU": str(library), "CUDA_ON_CPU_SEED": str(seed)}
        if subprocess.run(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            print(f"found (order {seed}): {mutation.name}", flush=True)
            return True
    print(f"NOT found: {mutation.name}", flush=True)
    return False


def main() -> None:
    """Try all mutations; the exit code is 1 if one is not found."""
    with tempfile.TemporaryDirectory() as name:
        found = [is_found(mutation, Path(name), dict(os.environ)) for mutation in MUTATIONS]
    sys.exit(not all(found))


if __name__ == "__main__":
    main()
