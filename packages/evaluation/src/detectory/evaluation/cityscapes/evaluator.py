"""Evaluates instances and semantic labels on Cityscapes by its own metrics."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from detectory import ops
from detectory.core.distributed import gather, is_main_process
from detectory.data import MetadataCatalog
from detectory.evaluation.evaluator import DatasetEvaluator
from detectory.evaluation.results_table import format_categories, format_metrics

from .instances import InstanceOverlaps, instance_figures, instance_overlaps
from .labels import label_ids
from .semantic import LabelCounts, label_counts, label_figures

_PHOTO, _INSTANCES, _LABELS = "_leftImg8bit", "_gtFine_instanceIds.png", "_gtFine_labelIds.png"


class CityscapesEvaluator(DatasetEvaluator):
    """What both evaluators share: the ground truth of each photo, and merging what processes counted.

    Each image becomes a few counts as it comes; nothing is written to disk, so that any number of machines may take
    part. Images that came twice count once.

    Args:
        dataset_name: A registered dataset with `gt_dir`, the folder of its split's cities with their
            `*_gtFine_instanceIds.png` and `*_gtFine_labelIds.png`, and the names of the classes in its metadata.
    """

    def __init__(self, dataset_name: str) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        self._counted: dict[str, Any] = {}
        self._truth_files: dict[str, Path] | None = None

    def reset(self) -> None:
        """Forget all counts."""
        self._counted = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Take the predictions for some images.

        Args:
            inputs: Dicts with `file_name`, the photo's.
            outputs: What the evaluator measures.

        Raises:
            ValueError: where a photo has no ground truth, or a prediction another size.
        """
        for record, output in zip(inputs, outputs, strict=True):
            stem = Path(record["file_name"]).stem.removesuffix(_PHOTO)
            if stem not in self.truth_files:
                kind = type(self).__name__
                raise ValueError(f"{kind}: {record['file_name']} has no {stem}{_INSTANCES} in {self._metadata.gt_dir}")
            self._counted[stem] = self._count(stem, output)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Measure; empty in other processes than the main one.

        Raises:
            ValueError: where images of the ground truth were not predicted.
        """
        parts = gather(self._counted, dst=0)
        if not is_main_process():
            return {}
        counted = {image: counts for part in reversed(parts) for image, counts in part.items()}
        missing = sorted(set(self.truth_files) - set(counted))
        if missing:
            kind, total = type(self).__name__, len(self.truth_files)
            raise ValueError(f"{kind}: {len(missing)} of {total} images were not predicted, the first {missing[0]}")
        task, figures = self._measure([counted[image] for image in sorted(counted)])
        main = {name: value for name, value in figures.items() if "-" not in name}
        first = next(iter(main))
        by_class = {n.partition("-")[2]: v for n, v in figures.items() if n.startswith(f"{first}-")}
        logger = logging.getLogger(__name__)
        logger.info("Cityscapes results for %s:\n%s", task, format_metrics(main))
        logger.info("Per-category %s:\n%s", first, format_categories(by_class, heading=first))
        return {task: figures}

    @property
    def truth_files(self) -> dict[str, Path]:
        """The `instanceIds.png` of each image, by the beginning of its name."""
        if self._truth_files is None:
            files = sorted(Path(self._metadata.gt_dir).glob(f"*/*{_INSTANCES}"))
            self._truth_files = {file.name.removesuffix(_INSTANCES): file for file in files}
        return self._truth_files

    def _count(self, stem: str, output: Mapping[str, Any]) -> Any:
        raise NotImplementedError("CityscapesEvaluator: use CityscapesInstanceEvaluator or CityscapesSemSegEvaluator")

    def _measure(self, images: Sequence[Any]) -> tuple[str, dict[str, float]]:
        raise NotImplementedError("CityscapesEvaluator: use CityscapesInstanceEvaluator or CityscapesSemSegEvaluator")

    def _check_size(self, stem: str, found: tuple[int, ...], truth: tuple[int, ...]) -> None:
        if tuple(found) != tuple(truth):
            raise ValueError(f"{type(self).__name__}: {stem}: predicted {tuple(found)}, the ground truth is {truth}")


class CityscapesInstanceEvaluator(CityscapesEvaluator):
    """Cityscapes' average precision of masks: `{"segm": {"AP", "AP50", "AP-<class>", "AP50-<class>"}}` in percent.

    Outputs hold `instances` with `pred_masks` (or `pred_masks_rle`), `pred_classes` (positions in the metadata's
    `thing_classes`) and `scores`. All figures equal those of the official scripts.
    """

    def _count(self, stem: str, output: Mapping[str, Any]) -> InstanceOverlaps:
        found = output["instances"]
        ids = _read(self.truth_files[stem])
        labels = label_ids(self._metadata.thing_classes)[found.pred_classes.cpu().numpy().astype(np.int64)]
        masks = []
        for index in range(len(found)):
            if found.has("pred_masks_rle"):
                mask = ops.rle_decode(found.pred_masks_rle[index])
            else:
                mask = getattr(found.pred_masks, "tensor", found.pred_masks)[index]
            self._check_size(stem, mask.shape, ids.shape)
            masks.append(mask.cpu().numpy())
        return instance_overlaps(ids, masks, labels, found.scores.double().cpu().numpy())

    def _measure(self, images: Sequence[InstanceOverlaps]) -> tuple[str, dict[str, float]]:
        return "segm", instance_figures(images)


class CityscapesSemSegEvaluator(CityscapesEvaluator):
    """Cityscapes' IoU of classes (IoU) and categories (IoU_sup), and those weighted by instances (iIoU, iIoU_sup).

    Outputs hold `sem_seg`, (K, H, W) scores or (H, W) labels, positions in the metadata's `stuff_classes`; other
    labels stand for none. `{"sem_seg": {...}}` in percent, with "IoU-<class>" and "iIoU-<class>"; all figures equal
    those of the official scripts.
    """

    def _count(self, stem: str, output: Mapping[str, Any]) -> LabelCounts:
        scores = output["sem_seg"]
        positions = (scores.argmax(dim=0) if scores.dim() == 3 else scores).cpu().to(torch.int64).numpy()
        labels = label_ids(self._metadata.stuff_classes)
        known = (positions >= 0) & (positions < len(labels))
        found = np.where(known, labels[np.where(known, positions, 0)], 0)
        file = self.truth_files[stem]
        truth, ids = _read(file.with_name(stem + _LABELS)), _read(file)
        self._check_size(stem, found.shape, truth.shape)
        return label_counts(found, truth, ids)

    def _measure(self, images: Sequence[LabelCounts]) -> tuple[str, dict[str, float]]:
        return "sem_seg", label_figures(images)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image).astype(np.int64)
