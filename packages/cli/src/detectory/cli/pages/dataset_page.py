"""Figures of datasets as a table for the terminal and as one HTML page with plots and samples."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detectory.data.statistics import object_area
from detectory.visualization.html import GalleryItem, Page
from detectory.visualization.plots import bar_plot, histogram_plot

if TYPE_CHECKING:
    from detectory.data.catalog import Metadata
    from detectory.data.statistics import DatasetStatistics

#: Classes that a bar plot shows.
MOST_BARS = 20
COLUMNS = ("class", "images", "objects", "share %", "small", "medium", "large", "median side", "crowds")


def class_rows(statistics: "DatasetStatistics") -> list[list[str | float | None]]:
    """One row a class, the most frequent first; see `COLUMNS`. The median side is the root of the median area."""
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
    """The figures of the whole dataset."""
    with_objects = len(statistics.classes) - len(statistics.missing_classes)
    figures: dict[str, str | float] = {
        "images": statistics.images,
        "objects": statistics.objects,
        "objects per image": statistics.objects / max(statistics.images, 1),
        "classes with objects": f"{with_objects} of {len(statistics.classes)}",
        "images without objects": statistics.empty_images,
        "crowds": statistics.crowds,
        "imbalance (most / least)": statistics.imbalance,
    }
    figures.update({f"objects with {what}": count for what, count in statistics.objects_with.items() if count})
    return figures


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """Align a table for the terminal: the first column left, the others right."""
    cells = [list(columns), *(["–" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def add_dataset(
    page: Page,
    title: str,
    statistics: "DatasetStatistics",
    samples: Iterable[tuple[dict[str, Any], Any]],
    metadata: "Metadata",
) -> None:
    """Add a dataset's cards, plots, table of classes and gallery to a page.

    Args:
        page: Grows.
        title: Heading of the section.
        statistics: Of the dataset.
        samples: Records, each with its drawn picture.
        metadata: Of the dataset.
    """
    page.heading(title)
    page.cards(summary(statistics))
    if statistics.objects:
        page.plots(*_class_plots(statistics))
        page.plots(*_plots(statistics))
    rows = class_rows(statistics)
    sizes = "Small, medium, large: area below 32², below 96², above."
    page.table(COLUMNS, rows, caption=f"{sizes} A click on a column's name sorts.", scroll=len(rows) > 24)
    missing = statistics.missing_classes
    if missing:
        names = ", ".join(missing[:40]) + (f" and {len(missing) - 40} more" if len(missing) > 40 else "")
        page.text(f"Classes without objects: {names}.")
    items = [GalleryItem(picture, _caption(record, metadata), _keys(record, metadata)) for record, picture in samples]
    if items:
        page.heading(f"{len(items)} images of {statistics.images}")
        page.gallery(items, sort_by=["objects", "classes", "smallest side"], filter_by="most frequent class")


def _class_plots(statistics: "DatasetStatistics") -> list[str]:
    ordered = sorted((one for one in statistics.classes if one.objects), key=lambda one: -one.objects)
    first, title = ordered[:MOST_BARS], "Objects of each class"
    if len(ordered) <= MOST_BARS:
        other = bar_plot({one.name: one.images for one in first}, title="Images with each class", x_label="images")
    else:
        title += f", the {MOST_BARS} most frequent"
        rarest = {one.name: one.objects for one in ordered[-MOST_BARS:]}
        other = bar_plot(rarest, title=f"The {MOST_BARS} rarest classes that have objects", x_label="objects")
    return [bar_plot({one.name: one.objects for one in first}, title=title, x_label="objects"), other]


def _plots(statistics: "DatasetStatistics") -> list[str]:
    sides = np.sqrt(statistics.areas.clip(min=1))
    heights, widths = statistics.image_sizes.T if len(statistics.image_sizes) else (np.zeros(0), np.zeros(0))
    ratios = statistics.box_sizes[:, 0] / statistics.box_sizes[:, 1].clip(min=1e-6)
    per_image = statistics.objects_per_image
    found = [
        histogram_plot({"objects": per_image.tolist()}, title="Objects in an image", x_label="objects"),
        histogram_plot(
            {"objects": np.log2(sides).tolist()},
            title="Size of objects",
            x_label="log2 of the root of the area (pixels)",
        ),
        histogram_plot(
            {"boxes": np.log2(ratios.clip(1 / 16, 16)).tolist()},
            title="Aspect ratio of boxes",
            x_label="log2 of width over height",
        ),
    ]
    centers = statistics.box_centers[np.isfinite(statistics.box_centers).all(axis=1)]
    if len(centers):
        samples = {"x": centers[:, 0].tolist(), "y": centers[:, 1].tolist()}
        found.append(histogram_plot(samples, title="Centres of boxes", x_label="place in the image, 0 to 1"))
    if len(heights):
        sizes = {"width": widths.tolist(), "height": heights.tolist()}
        found.append(histogram_plot(sizes, title="Sizes of images", x_label="pixels"))
    return found


def _class_counts(record: dict[str, Any], metadata: "Metadata") -> Counter[str]:
    names = metadata.get("thing_classes") or metadata.get("stuff_classes") or []
    parts = record.get("annotations") or record.get("segments_info") or []
    numbers = [part["category_id"] for part in parts]
    return Counter(names[number] if number < len(names) else str(number) for number in numbers)


def _caption(record: dict[str, Any], metadata: "Metadata") -> str:
    counts = _class_counts(record, metadata).most_common(6)
    found = ", ".join(f"{count} {name}" for name, count in counts) or "no objects"
    size = f"{record['width']} x {record['height']}" if "width" in record and "height" in record else ""
    return " · ".join(part for part in (str(record.get("image_id", "")), size, found) if part)


def _keys(record: dict[str, Any], metadata: "Metadata") -> dict[str, str | float]:
    counts = _class_counts(record, metadata)
    size = (record["height"], record["width"]) if "height" in record and "width" in record else None
    sides = [math.sqrt(object_area(part, size)) for part in record.get("annotations", []) if "bbox" in part]
    return {
        "objects": counts.total(),
        "classes": len(counts),
        "smallest side": round(min(sides), 1) if sides else "",
        "most frequent class": counts.most_common(1)[0][0] if counts else "none",
    }
