"""Instance masks: pasting of mask probabilities into the image, and COCO run lengths."""

from typing import TypedDict

import numpy as np


class RLE(TypedDict):
    """A mask as COCO run lengths: `size` is [height, width], `counts` is COCO's compressed text."""

    size: list[int]
    counts: str


def paste_mask(
    mask: np.ndarray, box: np.ndarray, height: int, width: int, threshold: float = 0.5
) -> tuple[np.ndarray, int, int]:
    """Resample a mask to the pixels of its box.

    Args:
        mask: (M, M) float32 probabilities.
        box: (4,) float32, `(x1, y1, x2, y2)` in pixels of the image.
        height: Height of the image.
        width: Width of the image.
        threshold: Minimum probability of a mask pixel.

    Returns:
        The pixels (h, w) bool of a window of the image, and the row and column of its upper left pixel. The mask is
        empty outside the window.
    """
    padded = np.pad(mask.astype(np.float32), 1)
    top, rows, below = _axis(box[1], box[3], mask.shape[0], height)
    left, columns, right = _axis(box[0], box[2], mask.shape[1], width)
    blended = padded[:, columns] * (1 - right) + padded[:, columns + 1] * right
    values = blended[rows] * (1 - below)[:, None] + blended[rows + 1] * below[:, None]
    return values >= threshold, top, left


def _axis(low: np.float32, high: np.float32, size: int, extent: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the first pixel with a sample, the index of the lower cell of each pixel, and the weight of the upper."""
    empty = (0, np.zeros(0, np.int64), np.zeros(0, np.float32))
    if not (np.isfinite(high - low) and high > low):
        return empty
    reach = (high - low) / (2 * size) + 2
    first = int(np.clip(np.floor(low - reach), 0, extent))
    pixels = np.arange(first, int(np.clip(np.ceil(high + reach), 0, extent)), dtype=np.float32)
    # The expressions of torch's grid_sample in float32, for identical rounding.
    center = (pixels + np.float32(0.5) - low) / (high - low) * np.float32(2) - np.float32(1)
    position = (center + np.float32(1)) * np.float32(size / 2) - np.float32(0.5)
    inside = np.flatnonzero((position > -1) & (position < size))
    if not len(inside):
        return empty
    position = position[inside]
    cell = np.floor(position)
    return first + int(inside[0]), cell.astype(np.int64) + 1, position - cell


def encode_window(window: np.ndarray, top: int, left: int, height: int, width: int) -> RLE:
    """Return the COCO run lengths of an image-sized mask that is empty outside a window.

    Args:
        window: (h, w) bool.
        top: Row of the window's first pixel in the image.
        left: Column of the window's first pixel in the image.
        height: Height of the image.
        width: Width of the image.
    """
    columns = np.pad(window.T.astype(np.int8), ((0, 0), (1, 1)))
    changes = np.diff(columns, axis=1)
    starts, ends = (_positions(changes == sign, top, left, height) for sign in (1, -1))
    # A run that reaches the bottom continues in the next column if that begins with a pixel of the mask.
    joined = np.isin(starts, ends)
    starts, ends = starts[~joined], ends[~np.isin(ends, starts)]
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _compressed(counts.tolist())}


def _positions(changes: np.ndarray, top: int, left: int, height: int) -> np.ndarray:
    column, row = np.nonzero(changes)
    return (column + left) * height + row + top


def _compressed(counts: list[int]) -> str:
    """Return COCO's text of run lengths: 6-bit characters, from the fourth count on as difference to the last but one.

    Source: `rleToString` of the COCO API.
    """
    text = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | (0x20 if more else 0)) + 48))
    return "".join(text)


def decode_rle(rle: RLE) -> np.ndarray:
    """Return the (height, width) bool pixels of COCO run lengths."""
    counts: list[int] = []
    text = iter(rle["counts"])
    for character in text:
        value, shift, code = 0, 0, ord(character) - 48
        while code & 0x20:
            value |= (code & 0x1F) << shift
            shift += 5
            code = ord(next(text)) - 48
        value |= (code & 0x1F) << shift
        value -= (code & 0x10) << (shift + 1)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    height, width = rle["size"]
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return pixels.reshape(width, height).T
