"""Advice on object sizes: objects that vanish at the image size, and boxes that the anchors do not match."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from detectory.data.statistics import DatasetStatistics
from detectory.engine.advice.advice import Advice, override, part_of
from detectory.engine.advice.recipe_view import RecipeView, ResizeRule, flat

#: Advice is given if this fraction of the objects vanishes …
MAX_VANISHING_FRACTION = 0.01
#: … or if this fraction of the boxes does not match an anchor. COCO's boxes are below it with the recipes for COCO.
MAX_UNMATCHED_FRACTION = 0.1
#: A square box overlaps a centered square anchor with an IoU of 0.5 if their sizes differ by this factor.
_SIZE_FACTOR = math.sqrt(2)
#: A box overlaps a centered anchor of the same area with an IoU of 0.5 if their aspect ratios differ by this factor.
_RATIO_FACTOR = (3 / 2) ** 2
_SIZE_MULTIPLE = 32
#: Detectors of larger images need too much memory.
_MAX_SHORT_EDGE = 2000


def advise_on_sizes(statistics: DatasetStatistics, view: RecipeView) -> Iterator[Advice]:
    """Yield advice on the image size, the anchor sizes and the aspect ratios of the anchors.

    Boxes are compared at the size of the images in the evaluation. Boxes with a side below one pixel are ignored.
    """
    valid = (statistics.box_sizes >= 1).all(axis=1)
    boxes, records = statistics.box_sizes[valid], statistics.records[valid]
    if not len(boxes):
        return
    heights, widths = _image_sizes(statistics)[records].T
    sizes = np.sqrt(boxes.prod(axis=1))
    scales = view.resize.scales(heights, widths) if view.resize else np.ones(len(boxes))
    resized = sizes * scales
    minimum = max(view.finest_stride // 2, 4)
    is_visible = resized >= minimum
    vanishing = int((~is_visible).sum())
    if vanishing >= MAX_VANISHING_FRACTION * len(boxes) and vanishing:
        yield _larger_images(view, sizes, (heights, widths), vanishing, minimum)
    if view.anchor_key and is_visible.any():
        yield from _anchor_sizes(view, resized[is_visible])
        yield from _aspect_ratios(view, boxes[is_visible, 1] / boxes[is_visible, 0])


def _image_sizes(statistics: DatasetStatistics) -> np.ndarray:
    """Return height and width of the image of each record, (images, 2); the median if some sizes are unknown."""
    if len(statistics.image_sizes) == statistics.images:
        return statistics.image_sizes
    known = statistics.image_sizes if len(statistics.image_sizes) else np.array([[1, 1]])
    return np.tile(np.median(known, axis=0), (statistics.images, 1))


def _larger_images(
    view: RecipeView, sizes: np.ndarray, image_sizes: tuple[np.ndarray, np.ndarray], vanishing: int, minimum: int
) -> Advice:
    rule = view.resize
    tiles = "Use larger images, or cut the images into tiles"
    message = f"{part_of(vanishing, len(sizes), 'objects')} are smaller than {minimum} pixels after resizing"
    if rule is None or rule.short_edge <= 0:
        return Advice("vanishing objects", message, tiles)
    message += f" to a shorter side of {rule.short_edge:g}"
    if not rule.is_in_both_loaders:
        return Advice("vanishing objects", message, tiles)
    larger = rule
    while (sizes * larger.scales(*image_sizes) < minimum).mean() >= MAX_VANISHING_FRACTION:
        short_edge = larger.short_edge + _SIZE_MULTIPLE
        if short_edge > _MAX_SHORT_EDGE:
            return Advice("vanishing objects", message, tiles)
        larger = ResizeRule(rule.keys, short_edge, float(np.ceil(rule.max_size * short_edge / rule.short_edge)))
    factor = larger.short_edge / rule.short_edge
    settings = []
    for key in rule.keys:
        lengths = view.get(f"{key}.short_edge_length")
        scaled = (
            [round(length * factor) for length in lengths] if isinstance(lengths, list) else round(lengths * factor)
        )
        settings.append(override(f"{key}.short_edge_length", scaled))
        if math.isfinite(larger.max_size):
            settings.append(override(f"{key}.max_size", int(larger.max_size)))
    return Advice("vanishing objects", message, "Use larger images", tuple(settings))


def _anchor_sizes(view: RecipeView, sizes: np.ndarray) -> Iterator[Advice]:
    current = flat(view.anchor_sizes)
    smallest, largest = min(current), max(current)
    below, above = sizes < smallest / _SIZE_FACTOR, sizes > largest * _SIZE_FACTOR
    is_too_large = below.mean() >= MAX_UNMATCHED_FRACTION
    is_too_small = above.mean() >= MAX_UNMATCHED_FRACTION
    if not is_too_large and not is_too_small:
        return
    # Half of the allowed fraction, because the new sizes are rounded.
    ends = np.quantile(sizes, [MAX_UNMATCHED_FRACTION / 2, 1 - MAX_UNMATCHED_FRACTION / 2])
    low = max(math.floor(ends[0]), 1) if is_too_large else smallest
    high = math.ceil(ends[1]) if is_too_small else largest
    setting = override(f"{view.anchor_key}.sizes", _stretched(view.anchor_sizes, (smallest, largest), (low, high)))
    for is_affected, topic, boxes, word, limit in (
        (is_too_large, "boxes below the anchors", below, "smallest", smallest),
        (is_too_small, "boxes above the anchors", above, "largest", largest),
    ):
        if is_affected:
            comparison = "below" if word == "smallest" else "above"
            count = part_of(int(boxes.sum()), len(sizes), "boxes")
            message = f"{count} are far {comparison} the {word} anchor of {limit:g} pixels after resizing"
            yield Advice(topic, message, "Change the image size or the anchor sizes", (setting,))


def _stretched(values: Any, old: tuple[float, float], new: tuple[float, float]) -> Any:
    """Map nested sizes from the interval `old` to `new`, linearly in their logarithms, and round them."""
    if isinstance(values, (list, tuple)):
        return [_stretched(value, old, new) for value in values]
    if old[0] == old[1]:  # one size: the middle of the new interval
        return round(math.sqrt(new[0] * new[1]))
    position = math.log(values / old[0]) / math.log(old[1] / old[0])
    return round(new[0] * (new[1] / new[0]) ** position)


def _aspect_ratios(view: RecipeView, ratios: np.ndarray) -> Iterator[Advice]:
    """Compare ratios of height to width with those of the anchors."""
    known = view.aspect_ratios
    flatter, taller = ratios < known[0] / _RATIO_FACTOR, ratios > known[-1] * _RATIO_FACTOR
    unmatched = int((flatter | taller).sum())
    if unmatched < MAX_UNMATCHED_FRACTION * len(ratios):
        return
    low, high = np.quantile(ratios, [MAX_UNMATCHED_FRACTION / 4, 1 - MAX_UNMATCHED_FRACTION / 4])
    new = list(known)
    while new[0] / _RATIO_FACTOR > low:
        new.insert(0, new[0] / 2)
    while new[-1] * _RATIO_FACTOR < high:
        new.append(new[-1] * 2)
    settings = [override(f"{view.anchor_key}.aspect_ratios", [float(ratio) for ratio in new])]
    if view.num_anchors_key:
        per_ratio = int(view.get(view.num_anchors_key)) // len(known)
        settings.append(override(view.num_anchors_key, per_ratio * len(new)))
    boxes = part_of(unmatched, len(ratios), "boxes")
    message = f"{boxes} are much wider or taller than the anchors (height / width {known[0]:g} to {known[-1]:g})"
    yield Advice("aspect ratios", message, "Add aspect ratios", tuple(settings))
