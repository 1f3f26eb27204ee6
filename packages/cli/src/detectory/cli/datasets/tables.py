"""Dataset statistics as tables."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectory.data.statistics import DatasetStatistics

COLUMNS = ("class", "images", "objects", "objects %", "small", "medium", "large", "median size", "crowds")


def class_rows(statistics: "DatasetStatistics") -> list[list[str | float | None]]:
    """Return one row per class with the values of `COLUMNS`, most frequent classes first.

    The median size is the square root of the median area, in pixels.
    """
    total = max(statistics.objects, 1)
    return [
        [
            one.name,
            one.images,
            one.objects,
            round(100 * one.objects / total, 2),
            one.small,
            one.medium,
            one.large,
            None if math.isnan(one.median_area) else round(math.sqrt(one.median_area), 1),
            one.crowds,
        ]
        for one in sorted(statistics.classes, key=lambda one: -one.objects)
    ]


def summary(statistics: "DatasetStatistics") -> dict[str, str | float]:
    """Return name and value of the statistics of the whole dataset."""
    with_objects = len(statistics.classes) - len(statistics.missing_classes)
    values: dict[str, str | float] = {
        "images": statistics.images,
        "objects": statistics.objects,
        "objects per image": statistics.objects / max(statistics.images, 1),
        "classes with objects": f"{with_objects} of {len(statistics.classes)}",
        "images without objects": statistics.empty_images,
        "crowds": statistics.crowds,
        "class imbalance (largest / smallest)": statistics.imbalance,
    }
    values.update({f"objects with {field}": count for field, count in statistics.objects_with.items() if count})
    return values


def format_table(columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """Return a table as text, with the first column aligned left and the others right."""
    cells = [list(columns), *(["–" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
