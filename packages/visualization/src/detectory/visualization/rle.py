"""COCO's run-length encoding of masks, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """Turn a COCO RLE into a mask.

    Args:
        rle: `size` [height, width] and `counts`, lengths of alternating runs of 0 and 1 in column order: a list of
            integers, or COCO's compressed text as bytes or str.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: where the runs do not add up to the size.
    """
    height, width = (int(v) for v in rle["size"])
    counts = rle["counts"]
    runs = _read_compressed(counts) if isinstance(counts, (bytes, str)) else np.asarray(counts, dtype=np.int64)
    if runs.sum() != height * width or (runs < 0).any():
        raise ValueError(f"decode_rle: counts add up to {runs.sum()}, but size {[height, width]} has {height * width}")
    values = np.zeros(len(runs), dtype=bool)
    values[1::2] = True
    return np.repeat(values, runs).reshape(width, height).T


def _read_compressed(text: bytes | str) -> np.ndarray:
    """Read runs of five bits a character, lowest first, six bits with the sign; each adds to the run two before."""
    data = np.frombuffer(text.encode("ascii") if isinstance(text, str) else text, dtype=np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero((data & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((data & 31) << (5 * place), starts) if len(data) else np.zeros(0, np.int64)
    values = values - np.where(data[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
    runs: Sequence[int] = values.tolist()
    result = np.array(runs, dtype=np.int64)
    # Differences to the run two before start at the fourth number: two interleaved running sums.
    result[1::2] = np.cumsum(result[1::2])
    result[2::2] = np.cumsum(result[2::2])
    return result
