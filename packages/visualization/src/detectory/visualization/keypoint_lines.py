"""Which keypoints of one instance are joined by lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .colors import Rgb

Point = tuple[float, float]


def connected_pairs(visible: Mapping[str, Point], rules: Sequence[Any] | None) -> Iterator[tuple[Point, Point, Rgb]]:
    """Yield start, end and colour for each rule (name, name, (r, g, b) in [0, 255]) whose two keypoints are visible."""
    for first, second, color in rules or ():
        if first in visible and second in visible:
            red, green, blue = (float(v) / 255 for v in color)
            yield visible[first], visible[second], (red, green, blue)


def body_midlines(visible: Mapping[str, Point]) -> Iterator[tuple[Point, Point]]:
    """Yield the lines from the nose to the midpoint of the shoulders, and from there to the midpoint of the hips."""
    shoulders = _middle(visible, "left_shoulder", "right_shoulder")
    if shoulders is None:
        return
    if "nose" in visible:
        yield visible["nose"], shoulders
    hips = _middle(visible, "left_hip", "right_hip")
    if hips is not None:
        yield shoulders, hips


def _middle(visible: Mapping[str, Point], first: str, second: str) -> Point | None:
    if first not in visible or second not in visible:
        return None
    (x1, y1), (x2, y2) = visible[first], visible[second]
    return (x1 + x2) / 2, (y1 + y2) / 2
