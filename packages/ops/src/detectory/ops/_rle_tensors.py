"""Conversion between COCO's run-length dicts and the tensors of the operators.

The operators represent N masks by a flat int32 tensor `counts`, the concatenated run lengths of all masks (column-major
pixels, background first), and int64 `offsets` (N + 1): the runs of mask n are `counts[offsets[n]:offsets[n + 1]]`.
COCO's compressed strings are represented likewise, as flat uint8 characters and offsets.
"""

import ctypes
from collections.abc import Iterable, Mapping, Sequence, Sized

import torch

from detectory.ops._library import ops

RLE = dict[str, object]
"""A COCO mask: `"size"` is [height, width], `"counts"` are the compressed run lengths as bytes."""


def as_list(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    """Wrap a single dict in a list."""
    return [rles] if isinstance(rles, Mapping) else rles


def rle_dicts(counts: torch.Tensor, offsets: torch.Tensor, sizes: Sequence[tuple[int, int]]) -> list[RLE]:
    """Convert the operators' tensors to COCO dicts with compressed counts; `sizes` are (height, width) per mask."""
    characters, ends = ops.rle_to_string(counts, offsets)
    text, cuts = _text_of(characters), ends.tolist()
    return [{"size": [height, width], "counts": text[cuts[n] : cuts[n + 1]]} for n, (height, width) in enumerate(sizes)]


def rle_tensors(
    function: str, name: str, rles: Sequence[Mapping[str, object]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Convert COCO dicts to counts, offsets and sizes (N, 2) int64.

    Compressed counts are `bytes` or `str`, uncompressed counts a sequence of integers.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If a size or counts are invalid; the message names the entry.
    """
    if not isinstance(rles, Sequence):
        raise TypeError(f"{function}: {name} must be a list of COCO dicts, got {type(rles).__name__}")
    sizes = [_size(function, name, index, rle) for index, rle in enumerate(rles)]
    texts = [_text(function, name, index, rle) for index, rle in enumerate(rles)]
    counts, offsets, first_invalid = ops.rle_from_string(_bytes(b"".join(texts)), offsets_of(texts))
    first = int(first_invalid)
    if first >= 0:
        raise ValueError(
            f"{function}: {name}[{first}]['counts'] is not a COCO run-length string: {texts[first][:40]!r}"
        )
    return counts, offsets, torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)


def offsets_of(rows: Iterable[Sized]) -> torch.Tensor:
    """Return the start of each row in the concatenation of all rows, and its total length: (N + 1) int64."""
    offsets = [0]
    for row in rows:
        offsets.append(offsets[-1] + len(row))
    return torch.tensor(offsets, dtype=torch.int64)


def check_totals(function: str, name: str, counts: torch.Tensor, offsets: torch.Tensor, sizes: torch.Tensor) -> None:
    """Check that the runs of each mask sum to height times width.

    Raises:
        ValueError: If the sums differ; the message names the entry.
    """
    ends = torch.cat([counts.new_zeros(1, dtype=torch.int64), counts.cumsum(0)])[offsets]
    wrong = (ends.diff() != sizes.prod(1)).nonzero()
    if len(wrong):
        index = int(wrong[0])
        raise ValueError(
            f"{function}: {name}[{index}]['counts'] must sum to the pixels of size {sizes[index].tolist()}, "
            f"got {int(ends[index + 1] - ends[index])}"
        )


def _text_of(characters: torch.Tensor) -> bytes:
    # Tensor.numpy would require NumPy, which is not a dependency of this package.
    return ctypes.string_at(characters.data_ptr(), characters.numel()) if characters.numel() else b""


def _bytes(text: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(text), dtype=torch.uint8) if text else torch.empty(0, dtype=torch.uint8)


def _size(function: str, name: str, index: int, rle: Mapping[str, object]) -> tuple[int, int]:
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise TypeError(f"{function}: {name}[{index}] must be a dict with 'size' and 'counts', got {rle!r:.80}")
    size = rle["size"]
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"{function}: {name}[{index}]['size'] must be [height, width], got {size!r}")
    height, width = int(size[0]), int(size[1])
    if height < 0 or width < 0 or height * width >= 2**31:
        raise ValueError(
            f"{function}: {name}[{index}]['size'] must be non-negative and below 2^31 pixels, got {size!r}"
        )
    return height, width


def _text(function: str, name: str, index: int, rle: Mapping[str, object]) -> bytes:
    counts = rle["counts"]
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        # Non-ASCII characters encode to bytes outside the alphabet, which are reported as an invalid string.
        return counts.encode("utf-8")
    if not isinstance(counts, Sequence):
        raise TypeError(
            f"{function}: {name}[{index}]['counts'] must be bytes, str or a list of integers, "
            f"got {type(counts).__name__}"
        )
    runs = [int(run) for run in counts]
    if any(run < 0 or run >= 2**31 for run in runs):
        raise ValueError(f"{function}: {name}[{index}]['counts'] must be in [0, 2^31), got {runs[:10]}")
    characters, _ = ops.rle_to_string(torch.tensor(runs, dtype=torch.int32), torch.tensor([0, len(runs)]))
    return _text_of(characters)
