"""Comparison of a model with its datasets before the first step: classes, masks, keypoints, and the evaluation."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.annotation_summary import AnnotationSummary, find_object, mask_type, num_keypoints
from detectory.data.annotation_summary import summarize_annotations as summarize
from detectory.data.classes import ClassList, align_classes, listed
from detectory.engine.recipe.semantic_checks import semantic_problems
from detectory.evaluation.evaluator import DatasetEvaluator, ModelOutputs

_logger = logging.getLogger(__name__)
# Parts of a model with an unrelated number of classes: ImageNet classes of a backbone, stuff classes.
_OTHER_CLASSES = ("backbone", "sem_seg_head")


@dataclass(frozen=True)
class MapperSettings:
    """The settings of a `DatasetMapper` that decide what a model is trained on.

    Args:
        masks: Whether masks are loaded.
        mask_format: `"polygon"` or `"bitmask"`.
        keypoints: Whether keypoints are loaded.
    """

    masks: bool
    mask_format: str
    keypoints: bool


def training_classes(datasets: Sequence[str]) -> ClassList | None:
    """Load training datasets and return the classes of the first one; the others are matched to it by name.

    Raises:
        ValueError: If another dataset has annotations of a class that the first one does not have.
    """
    for name in datasets[:1]:
        DatasetCatalog.get(name)
    classes = ClassList.from_metadata(MetadataCatalog.get(datasets[0])) if datasets else None
    if classes is not None:
        align_classes(classes.names, datasets[1:])
    return classes


def check_model_and_data(model: nn.Module, datasets: Sequence[str], mapper: MapperSettings | None) -> None:
    """Compare a model with its training datasets.

    Args:
        model: A meta-architecture.
        datasets: Names of registered datasets.
        mapper: Settings of the mapper, or None for a custom mapper: problems are then logged as warnings, because the
            mapper may change the annotations.

    Raises:
        ValueError: If the model has fewer classes than the annotations, or a mask or keypoint head without matching
            annotations. The message names the dataset, an object and the setting to change.
    """
    for problem in _problems(model, datasets, mapper):
        if mapper is not None:
            raise ValueError(problem)
        _logger.warning("%s", problem)


def _problems(model: nn.Module, datasets: Sequence[str], mapper: MapperSettings | None) -> Iterator[str]:
    for name in datasets:
        records = DatasetCatalog.get(name)
        if isinstance(records, Dataset) or not len(records):
            continue
        yield from semantic_problems(model, name, records)
        if "annotations" not in records[0]:
            continue
        summary = summarize(records)
        yield from _class_problems(model, name, records, summary)
        if mapper is None:
            continue
        heads: Any = getattr(model, "roi_heads", None)
        if getattr(heads, "mask_on", False):
            yield from _mask_problems(name, records, summary, mapper)
        if getattr(heads, "keypoint_on", False):
            yield from _keypoint_problems(heads.keypoint_head, name, records, summary, mapper)


def _class_problems(model: nn.Module, name: str, records: Any, summary: AnnotationSummary) -> Iterator[str]:
    names = list(MetadataCatalog.get(name).get("thing_classes") or [])
    needed = max(summary.categories, default=-1) + 1
    for path, count in class_counts(model).items():
        recipe_key, yaml_key = setting_names(path, type(model).__name__)
        setting = f"Set {recipe_key}={{}} ({yaml_key} in a Detectron2 config)"
        if count < needed:
            unknown = names[count:needed] or [f"class {number}" for number in range(count, needed)]
            first = find_object(records, lambda annotation: annotation["category_id"] >= count)  # noqa: B023
            yield (
                f"the model has {count} classes, but dataset {name} has annotations of {max(needed, len(names))}"
                f"{f': {listed(names)}' if names else ''}. The first object of {listed(unknown)} is {first}. "
                f"{setting.format(max(needed, len(names)))}"
            )
        elif names and count != len(names):
            _logger.warning(
                "the model has %d classes, dataset %s has %d: %s. %s to train only these",
                *(count, name, len(names), listed(names), setting.format(len(names))),
            )


def class_counts(model: nn.Module) -> dict[str, int]:
    """Return the number of classes of each detection head by its path in the model.

    A module is listed only if its number differs from that of the module that contains it.
    """
    found: dict[str, int] = {}
    for path, module in model.named_modules():
        count = getattr(module, "num_classes", None)
        if type(count) is not int or path.split(".")[0] in _OTHER_CLASSES:
            continue
        if count == 1 and "mask_head" in path:  # one mask for all classes
            continue
        parents = [other for other in found if not other or path.startswith(f"{other}.")]
        if not any(found[parent] == count for parent in parents):
            found[path] = count
    return found


def setting_names(path: str, architecture: str) -> tuple[str, str]:
    """Return the names of the setting of a number of classes: in a recipe and in a Detectron2 YAML config."""
    if path.startswith("roi_heads"):
        return f"model.{path}.num_classes", "MODEL.ROI_HEADS.NUM_CLASSES"
    key = ".".join(part for part in ("model", path, "num_classes") if part)
    return key, f"MODEL.{architecture.upper()}.NUM_CLASSES"


def _mask_problems(name: str, records: Any, summary: AnnotationSummary, mapper: MapperSettings) -> Iterator[str]:
    without = summary.masks["none"]
    if not mapper.masks:
        yield (
            "the model has a mask head, but the mapper does not load masks. "
            "Set dataloader.train.mapper.use_instance_mask=true (MODEL.MASK_ON in a Detectron2 config)"
        )
    elif without:
        first = find_object(records, lambda annotation: mask_type(annotation) == "none")
        yield (
            f"the model has a mask head, but {without} of {summary.objects} objects of dataset {name} have boxes only; "
            f"the first is {first}. Add their 'segmentation', or train a box model such as Faster R-CNN: "
            "model.roi_heads.mask_in_features=null dataloader.train.mapper.use_instance_mask=false "
            "(MODEL.MASK_ON=False in a Detectron2 config)"
        )
    elif summary.masks["rle"] and mapper.mask_format == "polygon":
        first = find_object(records, lambda annotation: mask_type(annotation) == "rle")
        yield (
            f"{summary.masks['rle']} of {summary.objects} masks of dataset {name} are RLEs or bitmaps, not polygons; "
            f"the first is {first}. Set dataloader.train.mapper.instance_mask_format=bitmask "
            "(INPUT.MASK_FORMAT=bitmask in a Detectron2 config)"
        )


def _keypoint_problems(
    head: Any, name: str, records: Any, summary: AnnotationSummary, mapper: MapperSettings
) -> Iterator[str]:
    expected = getattr(head, "num_keypoints", None)
    if not mapper.keypoints:
        yield (
            "the model has a keypoint head, but the mapper does not load keypoints. "
            "Set dataloader.train.mapper.use_keypoint=true (MODEL.KEYPOINT_ON in a Detectron2 config)"
        )
        return
    counts = {count: number for count, number in summary.keypoints.items() if count}
    if not counts:
        yield f"the model has a keypoint head, but no object of dataset {name} has keypoints"
    wrong = sorted(count for count in counts if expected is not None and count != expected)
    if wrong:
        first = find_object(records, lambda annotation: num_keypoints(annotation) == wrong[0])
        yield (
            f"the model predicts {expected} keypoints, but {counts[wrong[0]]} objects of dataset {name} have "
            f"{wrong[0]}; the first is {first}. Set model.roi_heads.keypoint_head.num_keypoints={wrong[0]} "
            "(MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS in a Detectron2 config)"
        )


def check_evaluator(evaluator: Any, model: nn.Module | None = None) -> None:
    """Check the ground truth of an evaluator or of several, so that a training does not fail at its evaluation.

    Args:
        evaluator: An evaluator, or a list of evaluators.
        model: The model to evaluate; its outputs decide which annotations the ground truth must have.

    Raises:
        ValueError: If the ground truth cannot be evaluated; the message names file, entry and problem.
    """
    for part in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
        if isinstance(part, DatasetEvaluator):
            part.check(None if model is None else model_outputs(model))


def model_outputs(model: nn.Module) -> ModelOutputs:
    """Return which outputs a model predicts."""
    heads: Any = getattr(model, "roi_heads", None)
    has_keypoints = getattr(heads, "keypoint_on", False)
    return ModelOutputs(
        masks=bool(getattr(heads, "mask_on", False)),
        num_keypoints=getattr(getattr(heads, "keypoint_head", None), "num_keypoints", None) if has_keypoints else None,
    )
