"""Run-length encoded masks (RLE) of COCO: compression and validation without decoding."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.core.text import short_repr
from detectory.structures.records import RLE


def compress_rle(rle: Mapping[str, Any]) -> dict[str, Any]:
    """Return an RLE in COCO's compressed form, in which `counts` is a string or bytes."""
    if isinstance(rle["counts"], list):
        return pycocotools.mask.frPyObjects(rle, *rle["size"])
    return dict(rle)


def rle_problem(rle: Mapping[str, Any], image: Mapping[str, Any] | None) -> str | None:
    """Return what is wrong with an RLE, or None if the RLE is valid. The mask is not decoded.

    Args:
        rle: The RLE, compressed or not.
        image: The image record with `height` and `width` that the RLE must match; None skips this check.
    """
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        return f"RLE 'size' must be [height, width], got {short_repr(size)}"
    height, width = size
    if image is not None and [height, width] != [image.get("height"), image.get("width")]:
        image_size = f"{image.get('height')} x {image.get('width')}"
        return f"the RLE has {height} x {width} pixels (height x width), the image has {image_size}"
    pixels = height * width
    if isinstance(counts, (str, bytes)):
        if not compressed_counts_cover(counts, pixels):
            return f"RLE 'counts' are corrupt: the runs do not sum to {height} * {width} pixels"
        return None
    if not isinstance(counts, list) or not all(isinstance(count, int) and count >= 0 for count in counts):
        return f"RLE 'counts' must be a string or a list of integers >= 0, got {short_repr(counts)}"
    if sum(counts) != pixels:
        return f"RLE 'counts' must sum to {height} * {width} pixels, got {sum(counts)}"
    return None


def compressed_counts_cover(counts: str | bytes, pixels: int) -> bool:
    """Return whether the runs of a compressed RLE sum to the number of pixels.

    The encoding is a variant of LEB128. Every number is split into groups of 5 bits, lowest group first. A group is
    stored as the character with code `group + 48`. Bit 5 is set in all groups but the last, and bit 4 of the last group
    is the sign. From the third run on, the stored number is the difference to the run two positions before.

    Source: `rleFrString` in pycocotools' `maskApi.c`.
    """
    runs: list[int] = []
    total, value, shift = 0, 0, 0
    for code in counts.encode("latin-1", errors="replace") if isinstance(counts, str) else counts:
        group = code - 48
        # 13 groups exceed 64 bits: no valid run is that long.
        if not 0 <= group < 64 or shift > 60:
            return False
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        run = value + (runs[-2] if len(runs) > 2 else 0)
        if run < 0 or total + run > pixels:
            return False
        runs.append(run)
        total, value, shift = total + run, 0, 0
    return shift == 0 and total == pixels


def encode_mask(mask: np.ndarray) -> RLE:
    """Return the compressed RLE of a mask of shape (H, W), with `counts` as a string as in JSON files."""
    rle = pycocotools.mask.encode(np.asfortranarray(np.asarray(mask) != 0, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
