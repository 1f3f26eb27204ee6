"""Between COCO's run-length dicts and the tensors that the operators take.

Across the operators' boundary N masks are one flat int32 tensor `counts`, the run lengths of all masks one after the
other (column-major pixels, background first), and int64 `offsets` (N + 1): mask n has
`counts[offsets[n]:offsets[n + 1]]`. COCO's compressed strings travel the same way, as flat uint8 and offsets.
"""

import ctypes
from collections.abc import Iterable, Mapping, Sequence, Sized

import torch

from detectory.ops._library import ops

RLE = dict[str, object]
"""A COCO mask: `"size"` is [height, width], `"counts"` the compressed run lengths as bytes."""


def as_list(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    """Put a single dict into a list."""
    return [rles] if isinstance(rles, Mapping) else rles


def rle_dicts(counts: torch.Tensor, offsets: torch.Tensor, sizes: Sequence[tuple[int, int]]) -> list[RLE]:
    """Make COCO dicts with compressed counts from the operators' tensors and each mask's (height, width)."""
    characters, ends = ops.rle_to_string(counts, offsets)
    text, cuts = _text_of(characters), ends.tolist()
    return [{"size": [height, width], "counts": text[cuts[n] : cuts[n + 1]]} for n, (height, width) in enumerate(sizes)]


def rle_tensors(
    function: str, name: str, rles: Sequence[Mapping[str, object]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read COCO dicts into counts, offsets and sizes (N, 2) int64.

    Compressed counts are `bytes` or `str`, uncompressed ones a sequence of integers.

    Raises:
        TypeError: an entry is no COCO dict.
        ValueError: a size or counts that no mask can have; the message names the entry.
    """
    if not isinstance(rles, Sequence):
        raise TypeError(f"{function}: {name} must be a list of run-length dicts, got {type(rles).__name__}")
    sizes = [_size(function, name, index, rle) for index, rle in enumerate(rles)]
    texts = [_text(function, name, index, rle) for index, rle in enumerate(rles)]
    counts, offsets, faulty = ops.rle_from_string(_bytes(b"".join(texts)), offsets_of(texts))
    first = int(faulty)
    if first >= 0:
        raise ValueError(f"{function}: {name}[{first}]['counts'] is no COCO run-length string: {texts[first][:40]!r}")
    return counts, offsets, torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)


def offsets_of(rows: Iterable[Sized]) -> torch.Tensor:
    """Where each row starts when all are put one after the other, and where the last ends: (N + 1) int64."""
    cuts = [0]
    for row in rows:
        cuts.append(cuts[-1] + len(row))
    return torch.tensor(cuts, dtype=torch.int64)


def check_totals(function: str, name: str, counts: torch.Tensor, offsets: torch.Tensor, sizes: torch.Tensor) -> None:
    """Check that each mask's runs sum to its height times width.

    Raises:
        ValueError: they do not; the message names the entry.
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
    # NumPy, which Tensor.numpy needs, is no requirement of this package.
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
        raise ValueError(f"{function}: {name}[{index}]['size'] must be >= 0 and below 2^31 pixels, got {size!r}")
    return height, width


def _text(function: str, name: str, index: int, rle: Mapping[str, object]) -> bytes:
    counts = rle["counts"]
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        # Other characters than ASCII end up outside of the alphabet and are reported as a faulty string.
        return counts.encode("utf-8")
    if not isinstance(counts, Sequence):
        raise TypeError(
            f"{function}: {name}[{index}]['counts'] must be bytes, str or a list of integers, "
            f"got {type(counts).__name__}"
        )
    runs = [int(run) for run in counts]
    if any(run < 0 or run >= 2**31 for run in runs):
        raise ValueError(f"{function}: {name}[{index}]['counts'] must lie in [0, 2^31), got {runs[:10]}")
    characters, _ = ops.rle_to_string(torch.tensor(runs, dtype=torch.int32), torch.tensor([0, len(runs)]))
    return _text_of(characters)
