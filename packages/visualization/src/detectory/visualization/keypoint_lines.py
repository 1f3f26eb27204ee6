"""Lines between the keypoints of one instance: connection rules and body midlines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .drawing.colors import Rgb

Point = tuple[float, float]


def connected_pairs(visible: Mapping[str, Point], rules: Sequence[Any] | None) -> Iterator[tuple[Point, Point, Rgb]]:
    """Yield start, end and colour of the line of each connection rule if both keypoints are visible.

    Args:
        visible: Names and (x, y) positions of the visible keypoints.
        rules: Tuples (first name, second name, (red, green, blue) in [0, 255]); None means no rules.
    """
    for first, second, color in rules or ():
        if first in visible and second in visible:
            red, green, blue = (float(v) / 255 for v in color)
            yield visible[first], visible[second], (red, green, blue)


def body_midlines(visible: Mapping[str, Point]) -> Iterator[tuple[Point, Point]]:
    """Yield the lines from the nose to the midpoint of the shoulders, and from there to the midpoint of the hips."""
    shoulders = _midpoint(visible, "left_shoulder", "right_shoulder")
    if shoulders is None:
        return
    if "nose" in visible:
        yield visible["nose"], shoulders
    hips = _midpoint(visible, "left_hip", "right_hip")
    if hips is not None:
        yield shoulders, hips


def _midpoint(visible: Mapping[str, Point], first: str, second: str) -> Point | None:
    if first not in visible or second not in visible:
        return None
    (x1, y1), (x2, y2) = visible[first], visible[second]
    return (x1 + x2) / 2, (y1 + y2) / 2
