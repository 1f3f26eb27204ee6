"""RLE masks of many detections packed into one byte string, which needs far less memory than one dict per mask."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypedDict, overload

import numpy as np
import torch

from detectory import ops
from detectory.structures.records import RLE

# Number of masks that are decompressed at a time. So few do not start the threads of the operators, which cost more
# than they save here.
_CHUNK = 64


class InvalidMaskError(ValueError):
    """An invalid RLE mask.

    Args:
        index: Index of the mask.
        problem: Description of the problem, as a predicate whose subject is the mask.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"RunLengths: mask {index} {problem}")
        self.index = index
        self.problem = problem


class CompressedRLE(TypedDict):
    """A COCO RLE with compressed counts."""

    size: list[int]
    """`[height, width]` in pixels."""
    counts: bytes
    """The run lengths in COCO's compressed form."""


@dataclass(frozen=True)
class RunLengths(Sequence[CompressedRLE]):
    """N masks. As a sequence, N COCO RLEs (`size`, `counts` as bytes) that are created on access.

    Args:
        text: The compressed counts of all masks, concatenated.
        offsets: (N + 1,) int64, offset of the counts of each mask in `text`, and the length of `text`.
        sizes: (N, 2) int32, height and width.
    """

    text: bytes
    offsets: np.ndarray
    sizes: np.ndarray

    @classmethod
    def from_rles(cls, masks: Iterable[RLE | CompressedRLE]) -> "RunLengths":
        """Pack COCO RLEs with counts as bytes, text or a list of integers."""
        if isinstance(masks, cls):
            return masks
        texts, sizes = [], []
        for mask in masks:
            texts.append(_compressed_counts(mask))
            sizes.append(mask["size"])
        offsets = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
        return cls(b"".join(texts), offsets, np.array(sizes, dtype=np.int32).reshape(-1, 2))

    @classmethod
    def concatenate(cls, parts: Sequence["RunLengths"]) -> "RunLengths":
        """Concatenate masks; at least one part is required."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        sizes = np.concatenate([part.sizes for part in parts])
        return cls(b"".join(part.text for part in parts), _offsets(lengths), sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> CompressedRLE: ...
    @overload
    def __getitem__(self, index: slice) -> "RunLengths": ...
    def __getitem__(self, index: int | slice) -> "CompressedRLE | RunLengths":
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        index = range(len(self))[index]
        start, end = self.offsets[index : index + 2].tolist()
        return {"size": self.sizes[index].tolist(), "counts": self.text[start:end]}

    def __iter__(self) -> Iterator[CompressedRLE]:
        """Yield the RLEs; RLEs of the same size share one `size` list to save memory."""
        offsets = self.offsets.tolist()
        shared: dict[tuple[int, int], list[int]] = {}
        for index, (height, width) in enumerate(self.sizes.tolist()):
            size = shared.setdefault((height, width), [height, width])
            yield {"size": size, "counts": self.text[offsets[index] : offsets[index + 1]]}

    def select(self, indices: np.ndarray) -> "RunLengths":
        """Return the masks at these indices."""
        starts, ends = self.offsets[:-1][indices], self.offsets[1:][indices]
        text = b"".join(self.text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
        return RunLengths(text, _offsets(ends - starts), self.sizes[indices])

    def areas(self) -> np.ndarray:
        """Return the number of pixels of each mask, (N,) int64.

        Raises:
            InvalidMaskError: If counts are not valid run lengths.
        """
        areas = [torch.ops.detectory.rle_area(counts, starts).numpy() for _, counts, starts in self._decompressed()]
        return np.concatenate([np.zeros(0, np.int64), *areas])

    def boxes(self) -> np.ndarray:
        """Return the tight boxes around the masks as (x, y, width, height), (N, 4) float64; zeros for empty masks.

        Raises:
            InvalidMaskError: If counts are not valid run lengths.
        """
        boxes = [
            torch.ops.detectory.rle_to_bbox(counts, starts, sizes).numpy()
            for sizes, counts, starts in self._decompressed()
        ]
        return np.concatenate([np.zeros((0, 4)), *boxes])

    def check(self) -> None:
        """Check every mask.

        Raises:
            InvalidMaskError: If counts are not valid run lengths, or do not sum to the number of pixels of the size.
        """
        first = 0
        for sizes, counts, starts in self._decompressed():
            pixels = np.diff(_offsets(counts.numpy())[starts.numpy()])
            expected = sizes.numpy().prod(axis=1)
            if (pixels != expected).any():
                index = int((pixels != expected).argmax())
                size = sizes[index].tolist()
                raise InvalidMaskError(first + index, f"has counts of {pixels[index]} pixels for size {size}")
            first += len(sizes)

    def _decompressed(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Sizes (n, 2), run lengths and their offsets (n + 1,) of one chunk of n masks after the other."""
        for first in range(0, len(self), _CHUNK):
            offsets = self.offsets[first : first + _CHUNK + 1]
            # A writable copy, as torch warns about read-only buffers.
            text = np.frombuffer(bytearray(self.text[offsets[0] : offsets[-1]]), dtype=np.uint8)
            counts, starts, invalid = torch.ops.detectory.rle_from_string(
                torch.from_numpy(text), torch.from_numpy(offsets - offsets[0])
            )
            if invalid >= 0:
                index = first + int(invalid)
                raise InvalidMaskError(index, f"has counts that are not run lengths: {self[index]['counts'][:40]!r}")
            yield torch.from_numpy(self.sizes[first : first + _CHUNK].astype(np.int64)), counts, starts


def _offsets(lengths: np.ndarray) -> np.ndarray:
    """Offset of each part of a concatenation, and its total length."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _compressed_counts(mask: RLE | CompressedRLE) -> bytes:
    counts = mask["counts"]
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        # Characters outside ASCII are invalid in any encoding; `check` reports them.
        return counts.encode("utf-8")
    merged: Any = ops.rle_merge([mask])["counts"]
    return merged
