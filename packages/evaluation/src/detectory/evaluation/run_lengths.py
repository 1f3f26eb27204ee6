"""Masks of many detections as one text of run lengths, which takes far less memory than a dict for each mask."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, overload

import numpy as np
import torch

from detectory import ops

# How many masks are unpacked at a time: so few that operators start no threads, which cost more than they save.
_PIECE = 64


class MaskFault(ValueError):
    """A mask that cannot be one.

    Args:
        position: Of the mask.
        problem: What is wrong, as the end of a sentence whose subject is the mask.
    """

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"RunLengths: mask {position} {problem}")
        self.position, self.problem = position, problem


@dataclass(frozen=True)
class RunLengths(Sequence[Mapping[str, Any]]):
    """N masks; as a sequence, N COCO RLEs (`size`, `counts` as bytes) that are made when they are asked for.

    Args:
        text: The compressed counts of all masks, one after the other.
        offsets: (N + 1,) int64, where the counts of each mask start and the last end.
        sizes: (N, 2) int32, height and width.
    """

    text: bytes
    offsets: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, masks: Iterable[Mapping[str, Any]]) -> "RunLengths":
        """Pack COCO RLEs, whose counts may be bytes, text or a list of numbers."""
        if isinstance(masks, cls):
            return masks
        texts, sizes = [], []
        for mask in masks:
            texts.append(_compressed(mask))
            sizes.append(mask["size"])
        offsets = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
        return cls(b"".join(texts), offsets, np.array(sizes, dtype=np.int32).reshape(-1, 2))

    @classmethod
    def concatenate(cls, parts: Sequence["RunLengths"]) -> "RunLengths":
        """Join masks; there must be at least one part."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        sizes = np.concatenate([part.sizes for part in parts])
        return cls(b"".join(part.text for part in parts), _starts(lengths), sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "RunLengths": ...
    def __getitem__(self, index: int | slice) -> "dict[str, Any] | RunLengths":
        if isinstance(index, slice):
            return self.chosen(np.arange(len(self))[index])
        place = range(len(self))[index]
        first, last = self.offsets[place : place + 2].tolist()
        return {"size": self.sizes[place].tolist(), "counts": self.text[first:last]}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The RLEs; those of one size share the list that tells it."""
        cuts, shared = self.offsets.tolist(), dict[tuple[int, int], list[int]]()
        for place, (height, width) in enumerate(self.sizes.tolist()):
            size = shared.setdefault((height, width), [height, width])
            yield {"size": size, "counts": self.text[cuts[place] : cuts[place + 1]]}

    def chosen(self, indices: np.ndarray) -> "RunLengths":
        """The masks of these positions."""
        firsts, lasts = self.offsets[:-1][indices], self.offsets[1:][indices]
        text = b"".join(self.text[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True))
        return RunLengths(text, _starts(lasts - firsts), self.sizes[indices])

    def areas(self) -> np.ndarray:
        """(N,) int64, the pixels of each mask.

        Raises:
            MaskFault: for counts that are no run lengths.
        """
        areas = [torch.ops.detectory.rle_area(counts, starts).numpy() for _, counts, starts in self._unpacked()]
        return np.concatenate([np.zeros(0, np.int64), *areas])

    def boxes(self) -> np.ndarray:
        """(N, 4) float64, the tight boxes around masks as (x, y, width, height); zeros for an empty mask.

        Raises:
            MaskFault: for counts that are no run lengths.
        """
        boxes = [
            torch.ops.detectory.rle_to_bbox(counts, starts, sizes).numpy() for sizes, counts, starts in self._unpacked()
        ]
        return np.concatenate([np.zeros((0, 4)), *boxes])

    def check(self) -> None:
        """Look at every mask.

        Raises:
            MaskFault: for the first one whose counts are no run lengths, or not of as many pixels as its size.
        """
        start = 0
        for sizes, counts, starts in self._unpacked():
            ends = _starts(counts.numpy())[starts.numpy()]
            pixels, expected = np.diff(ends), sizes.numpy().prod(axis=1)
            if (pixels != expected).any():
                index = int((pixels != expected).argmax())
                raise MaskFault(start + index, f"has counts of {pixels[index]} pixels for size {sizes[index].tolist()}")
            start += len(sizes)

    def _unpacked(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Piece by piece the sizes, the run lengths and where those of each mask start."""
        for start in range(0, len(self), _PIECE):
            cuts = self.offsets[start : start + _PIECE + 1]
            characters = np.frombuffer(bytearray(self.text[cuts[0] : cuts[-1]]), dtype=np.uint8)
            counts, starts, faulty = torch.ops.detectory.rle_from_string(
                torch.from_numpy(characters), torch.from_numpy(cuts - cuts[0])
            )
            if faulty >= 0:
                place = start + int(faulty)
                raise MaskFault(place, f"has counts that are no run lengths: {self[place]['counts'][:40]!r}")
            yield torch.from_numpy(self.sizes[start : start + _PIECE].astype(np.int64)), counts, starts


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _compressed(mask: Mapping[str, Any]) -> bytes:
    counts = mask["counts"]
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        # Letters outside of ASCII are none of run lengths either way, and are found as such.
        return counts.encode("utf-8")
    merged: Any = ops.rle_merge([mask])["counts"]
    return merged
