"""Advice on classes: rare and missing classes, imbalance, and images without objects."""

from collections.abc import Iterator

import numpy as np

from detectory.data.statistics import DatasetStatistics
from detectory.engine.advice.advice import Advice, counted, listed, override
from detectory.engine.advice.recipe_view import RecipeView

#: A class with fewer objects cannot be learned reliably.
MIN_OBJECTS = 10
#: Ratio of the most frequent to the rarest class from which images with rare classes should be repeated.
MAX_IMBALANCE = 20.0


def advise_on_classes(
    statistics: DatasetStatistics, view: RecipeView, val: DatasetStatistics | None = None
) -> Iterator[Advice]:
    """Yield advice on classes with few objects, imbalance, images without objects and classes missing in training."""
    rare = [(one.name, one.objects) for one in statistics.classes if one.objects < MIN_OBJECTS]
    if rare:
        names = listed([f"{name} ({count})" for name, count in sorted(rare, key=lambda pair: pair[1])])
        classes = counted(len(rare), "class has", "classes have")
        message = f"{classes} fewer than {MIN_OBJECTS} training objects: {names}"
        yield Advice("rare classes", message, "Annotate more images with these classes, or leave the classes out")
    if statistics.imbalance > MAX_IMBALANCE and not view.repeats_rare_classes:
        yield _imbalance(statistics)
    if statistics.empty_images and view.get("dataloader.train.dataset.filter_empty"):
        images = counted(statistics.empty_images, "training image has", "training images have")
        yield Advice(
            "images without objects",
            f"{images} no objects, of {statistics.images:,}; they are not used",
            "If no object is visible in these images, train on them as background",
            (override("dataloader.train.dataset.filter_empty", "false"),),
        )
    if val is not None:
        yield from _classes_only_in(val, statistics)


def _imbalance(statistics: DatasetStatistics) -> Advice:
    present = sorted((one for one in statistics.classes if one.objects), key=lambda one: one.objects)
    rarest, most_frequent = present[0], present[-1]
    message = (
        f"'{most_frequent.name}' has {most_frequent.objects:,} objects, {statistics.imbalance:.0f} times as many as"
        f" '{rarest.name}' with {rarest.objects:,}"
    )
    # Classes in fewer images than the median class are repeated.
    used = max(statistics.images - statistics.empty_images, 1)
    threshold = float(np.median([one.images for one in present])) / used
    setting = override("dataloader.train.repeat_threshold", float(f"{max(threshold, 1e-4):.2g}"))
    return Advice("imbalance", message, "Repeat images with rare classes", (setting,))


def _classes_only_in(val: DatasetStatistics, train: DatasetStatistics) -> Iterator[Advice]:
    trained = {one.name for one in train.classes if one.objects}
    names = [one.name for one in val.classes if one.objects and one.name not in trained]
    if names:
        classes = counted(len(names), "class of the validation images has", "classes of the validation images have")
        message = f"{classes} no training object: {listed(names)}"
        yield Advice("classes missing in training", message, "Split the images again, or annotate training images")
