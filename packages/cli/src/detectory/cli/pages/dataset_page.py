"""Dataset statistics as an HTML page with plots and annotated images."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from detectory.cli.datasets.tables import COLUMNS, class_rows, summary
from detectory.data.statistics import object_area
from detectory.visualization.html import GalleryItem, Page
from detectory.visualization.plots import bar_plot, histogram_plot

if TYPE_CHECKING:
    from detectory.cli.datasets.advice import SplitAdvice
    from detectory.data.catalog import Metadata
    from detectory.data.statistics import DatasetStatistics
    from detectory.structures.records import DatasetRecord

#: Maximum number of classes in a bar plot.
MAX_BARS = 20


def add_dataset(
    page: Page,
    title: str,
    statistics: "DatasetStatistics",
    samples: "Iterable[tuple[DatasetRecord, np.ndarray]]",
    metadata: "Metadata",
) -> None:
    """Add summary cards, plots, the class table and a gallery of a dataset to a page.

    Args:
        page: The page to extend.
        title: Heading of the section.
        statistics: Statistics of the dataset.
        samples: Records with their drawings.
        metadata: Metadata of the dataset.
    """
    page.heading(title)
    page.cards(summary(statistics))
    if statistics.objects:
        page.plots(*_class_plots(statistics))
        page.plots(*_size_plots(statistics))
    rows = class_rows(statistics)
    sizes = "Small: area below 32² pixels; medium: below 96² pixels; large: the rest."
    page.table(COLUMNS, rows, caption=f"{sizes} Click a column header to sort.", scroll=len(rows) > 24)
    missing = statistics.missing_classes
    if missing:
        names = ", ".join(missing[:40]) + (f" and {len(missing) - 40} more" if len(missing) > 40 else "")
        page.text(f"Classes without objects: {names}.")
    items = [
        GalleryItem(drawing, _caption(record, metadata), _sort_keys(record, metadata)) for record, drawing in samples
    ]
    if items:
        page.heading(f"{len(items)} of {statistics.images} images")
        page.gallery(items, sort_by=["objects", "classes", "smallest object"], filter_by="most frequent class")


def add_advice(page: Page, advice: "SplitAdvice") -> None:
    """Add a table of advice on a split and a recipe to a page."""
    page.heading(f"Advice for {advice.recipe}")
    rows = [[piece.message, piece.remedy, "\n".join(piece.settings)] for piece in advice.pieces]
    if rows:
        page.table(["observation", "remedy", "settings"], rows, caption=f"Training images: {advice.source}.")
    else:
        page.text(f"The recipe fits the training images of {advice.source}.")


def _class_plots(statistics: "DatasetStatistics") -> list[str]:
    ordered = sorted((one for one in statistics.classes if one.objects), key=lambda one: -one.objects)
    frequent, title = ordered[:MAX_BARS], "Objects per class"
    if len(ordered) <= MAX_BARS:
        other = bar_plot({one.name: one.images for one in frequent}, title="Images per class", x_label="images")
    else:
        title += f" ({MAX_BARS} most frequent)"
        rarest = {one.name: one.objects for one in ordered[-MAX_BARS:]}
        other = bar_plot(rarest, title=f"Objects per class ({MAX_BARS} rarest)", x_label="objects")
    return [bar_plot({one.name: one.objects for one in frequent}, title=title, x_label="objects"), other]


def _size_plots(statistics: "DatasetStatistics") -> list[str]:
    sides = np.sqrt(statistics.areas.clip(min=1))
    heights, widths = statistics.image_sizes.T if len(statistics.image_sizes) else (np.zeros(0), np.zeros(0))
    ratios = statistics.box_sizes[:, 0] / statistics.box_sizes[:, 1].clip(min=1e-6)
    per_image = statistics.objects_per_image
    plots = [
        histogram_plot({"objects": per_image.tolist()}, title="Objects per image", x_label="objects"),
        histogram_plot(
            {"objects": np.log2(sides).tolist()},
            title="Object size",
            x_label="log2 of the square root of the area (pixels)",
        ),
        histogram_plot(
            {"boxes": np.log2(ratios.clip(1 / 16, 16)).tolist()},
            title="Aspect ratio of boxes",
            x_label="log2(width / height)",
        ),
    ]
    centers = statistics.box_centers[np.isfinite(statistics.box_centers).all(axis=1)]
    if len(centers):
        samples = {"x": centers[:, 0].tolist(), "y": centers[:, 1].tolist()}
        plots.append(histogram_plot(samples, title="Box centres", x_label="relative position in the image"))
    if len(heights):
        sizes = {"width": widths.tolist(), "height": heights.tolist()}
        plots.append(histogram_plot(sizes, title="Image size", x_label="pixels"))
    return plots


def _class_counts(record: "DatasetRecord", metadata: "Metadata") -> Counter[str]:
    names = metadata.get("thing_classes") or metadata.get("stuff_classes") or []
    objects = record.get("annotations") or record.get("segments_info") or []
    category_ids = [item["category_id"] for item in objects]
    return Counter(names[index] if index < len(names) else str(index) for index in category_ids)


def _caption(record: "DatasetRecord", metadata: "Metadata") -> str:
    counts = _class_counts(record, metadata).most_common(6)
    objects = ", ".join(f"{count} {name}" for name, count in counts) or "no objects"
    size = f"{record['width']} x {record['height']}" if "width" in record and "height" in record else ""
    return " · ".join(part for part in (str(record.get("image_id", "")), size, objects) if part)


def _sort_keys(record: "DatasetRecord", metadata: "Metadata") -> dict[str, str | float]:
    counts = _class_counts(record, metadata)
    size = (record["height"], record["width"]) if "height" in record and "width" in record else None
    sides = [math.sqrt(object_area(item, size)) for item in record.get("annotations", []) if "bbox" in item]
    return {
        "objects": counts.total(),
        "classes": len(counts),
        "smallest object": round(min(sides), 1) if sides else "",
        "most frequent class": counts.most_common(1)[0][0] if counts else "none",
    }
