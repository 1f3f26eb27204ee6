"""Vectorised checks of a COCO results file on its bytes, for files too large to parse in Python."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Number of bytes before a minus sign that are searched for a bracket or colon. Two numbers of a box take fewer than 96
# bytes, and most take fewer than 24: the second window is rarely needed and the third hardly ever.
_WINDOWS = (2, 24, 96)
# Bytes compared at a time: the temporary array then fits the cache, and its memory is reused.
_CHUNK = 1 << 18
_IS_BRACKET_OR_COLON = np.isin(np.arange(256), list(b"[]{}:"))


class ResultsText:
    """The bytes of a results file, memory-mapped.

    Args:
        path: Path of the file.

    Attributes:
        is_list: Whether the first non-blank character opens a JSON list.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.is_list = file.read(64).lstrip().startswith(b"[")
            # An empty file cannot be mapped.
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.is_list else b" "
        self._bytes = np.frombuffer(self._data, dtype=np.uint8)

    def may_have_null(self) -> bool:
        """Return whether the text has the word null."""
        return self._data.find(b"n") >= 0 and self._data.find(b"null") >= 0

    def may_have_negative_size(self) -> bool:
        """Return whether a minus sign may belong to the width or height of a box.

        A minus sign is harmless if it belongs to an exponent, to a single value (the nearest bracket or colon before
        it is a colon) or to the x or y of a list (the nearest is an opening bracket, with at most one comma between).
        """
        if self._data.find(b"-") < 0:
            return False
        minus = self._find(b"-")
        before = self._bytes[minus - 1]
        minus = minus[(before != ord("e")) & (before != ord("E"))]
        for width in _WINDOWS:
            window = self._bytes[np.maximum(minus[:, None] - np.arange(1, width + 1), 0)]  # (M, width), nearest first
            is_mark = _IS_BRACKET_OR_COLON[window]
            distance = np.argmax(is_mark, axis=1)[:, None]
            marks = np.take_along_axis(window, distance, axis=1)[:, 0]
            commas = ((window == ord(",")) & (np.arange(width) < distance)).sum(axis=1)
            is_decided = is_mark.any(axis=1)
            is_harmless = (marks == ord(":")) | ((marks == ord("[")) & (commas <= 1))
            if (is_decided & ~is_harmless).any():
                return True
            minus = minus[~is_decided]
        return len(minus) > 0

    def count(self, letter: bytes) -> int:
        """Return the number of occurrences of one ASCII character."""
        return sum(int(np.count_nonzero(is_letter)) for _, is_letter in self._matches(letter))

    def count_key(self, key: bytes, rarest: bytes) -> int:
        """Return the number of occurrences of a key, in a third of the time of `bytes.count`.

        Args:
            key: The key with its quotes, at most 8 bytes.
            rarest: The character of the key that is rarest in results files; only its occurrences are compared.
        """
        if len(self._bytes) < 8:
            return 0
        starts = self._find(rarest) - key.index(rarest)
        # The 8 bytes from each offset on, as overlapping little-endian integers. The last 7 offsets have no such
        # integer, but no key starts there either: a value and the closing brackets follow it.
        words = np.ndarray(len(self._bytes) - 7, dtype="<u8", buffer=self._bytes, strides=(1,))
        key_bits = np.uint64((1 << 8 * len(key)) - 1)
        candidates = words[starts[(starts >= 0) & (starts < len(words))]] & key_bits
        return int(np.count_nonzero(candidates == np.uint64(int.from_bytes(key, "little"))))

    def _find(self, letter: bytes) -> np.ndarray:
        """Offsets of one ASCII character, ascending."""
        return np.concatenate([np.flatnonzero(is_letter) + start for start, is_letter in self._matches(letter)])

    def _matches(self, letter: bytes) -> Iterator[tuple[int, np.ndarray]]:
        """Start of each chunk, and which of its bytes are this character."""
        for start in range(0, len(self._bytes), _CHUNK):
            yield start, self._bytes[start : start + _CHUNK] == ord(letter)
