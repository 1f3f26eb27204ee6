"""Cityscapes evaluators of instance and semantic segmentation, with the metrics of the official scripts."""

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
from detectory.evaluation.evaluator import DatasetEvaluator, ModelOutputs
from detectory.evaluation.results_table import format_categories, format_metrics

from .instances import InstanceOverlaps, instance_metrics, instance_overlaps
from .labels import label_ids
from .semantic import LabelCounts, label_counts, label_metrics

_logger = logging.getLogger(__name__)

_IMAGE_SUFFIX = "_leftImg8bit"
_INSTANCES_SUFFIX = "_gtFine_instanceIds.png"
_LABELS_SUFFIX = "_gtFine_labelIds.png"


class CityscapesEvaluator(DatasetEvaluator):
    """Base class of both evaluators, which finds the ground truth of each image and merges the counts of processes.

    Each image is reduced to its counts at once. Nothing is written to disk, so any number of machines can take part.
    An image that was evaluated twice counts once.

    Args:
        dataset_name: A registered dataset whose metadata has the class names and `gt_dir`, the folder of the cities of
            its split with their `*_gtFine_instanceIds.png` and `*_gtFine_labelIds.png`.
    """

    def __init__(self, dataset_name: str) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        self._images: dict[str, Any] = {}
        self._ground_truth_files: dict[str, Path] | None = None

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Check that the folder has ground truth.

        Raises:
            FileNotFoundError: If it has none.
        """
        if not self.ground_truth_files:
            raise FileNotFoundError(
                f"{type(self).__name__}: {self._metadata.gt_dir} has no files */*{_INSTANCES_SUFFIX}"
            )

    def reset(self) -> None:
        """Discard all counts."""
        self._images = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of a batch of images.

        Args:
            inputs: Dicts with `file_name`.
            outputs: Dicts with the predictions that the subclass evaluates.

        Raises:
            ValueError: If an image has no ground truth, or a prediction and its ground truth differ in size.
        """
        for record, output in zip(inputs, outputs, strict=True):
            stem = Path(record["file_name"]).stem.removesuffix(_IMAGE_SUFFIX)
            if stem not in self.ground_truth_files:
                missing = f"{stem}{_INSTANCES_SUFFIX}"
                raise ValueError(
                    f"{type(self).__name__}: {record['file_name']} has no {missing} in {self._metadata.gt_dir}"
                )
            self._images[stem] = self._count(stem, output)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Compute the metrics; empty in all processes but the main one.

        Raises:
            ValueError: If an image of the ground truth has no prediction.
        """
        parts = gather(self._images, dst=0)
        if not is_main_process():
            return {}
        images = {stem: counts for part in reversed(parts) for stem, counts in part.items()}
        missing = sorted(self.ground_truth_files.keys() - images.keys())
        if missing:
            total = len(self.ground_truth_files)
            raise ValueError(
                f"{type(self).__name__}: {len(missing)} of {total} images have no prediction, the first is {missing[0]}"
            )
        task, metrics = self._compute_metrics([images[stem] for stem in sorted(images)])
        main = {name: value for name, value in metrics.items() if "-" not in name}
        first = next(iter(main))
        per_class = {n.partition("-")[2]: v for n, v in metrics.items() if n.startswith(f"{first}-")}
        _logger.info("Cityscapes results for %s:\n%s", task, format_metrics(main))
        _logger.info("Per-category %s:\n%s", first, format_categories(per_class, heading=first))
        return {task: metrics}

    @property
    def ground_truth_files(self) -> dict[str, Path]:
        """Path of the `instanceIds.png` of each image, by the image's name without suffixes."""
        if self._ground_truth_files is None:
            files = sorted(Path(self._metadata.gt_dir).glob(f"*/*{_INSTANCES_SUFFIX}"))
            self._ground_truth_files = {file.name.removesuffix(_INSTANCES_SUFFIX): file for file in files}
        return self._ground_truth_files

    def _count(self, stem: str, output: Mapping[str, Any]) -> Any:
        raise NotImplementedError("CityscapesEvaluator: use CityscapesInstanceEvaluator or CityscapesSemSegEvaluator")

    def _compute_metrics(self, images: Sequence[Any]) -> tuple[str, dict[str, float]]:
        raise NotImplementedError("CityscapesEvaluator: use CityscapesInstanceEvaluator or CityscapesSemSegEvaluator")

    def _check_size(self, stem: str, prediction: tuple[int, ...], ground_truth: tuple[int, ...]) -> None:
        if tuple(prediction) != tuple(ground_truth):
            raise ValueError(
                f"{type(self).__name__}: {stem}: the prediction has size {tuple(prediction)}, "
                f"its ground truth {tuple(ground_truth)}"
            )


class CityscapesInstanceEvaluator(CityscapesEvaluator):
    """Average precision of instance masks: `{"segm": {"AP", "AP50", "AP-<class>", "AP50-<class>"}}` in percent.

    Outputs have `instances` with `pred_masks` (or `pred_masks_rle`), `pred_classes` (indices into the metadata's
    `thing_classes`) and `scores`. All metrics equal those of the official scripts.
    """

    def _count(self, stem: str, output: Mapping[str, Any]) -> InstanceOverlaps:
        instances = output["instances"]
        ids = _read(self.ground_truth_files[stem])
        labels = label_ids(self._metadata.thing_classes)[instances.pred_classes.cpu().numpy().astype(np.int64)]
        masks = []
        for index in range(len(instances)):
            if instances.has("pred_masks_rle"):
                mask = ops.rle_decode(instances.pred_masks_rle[index])
            else:
                mask = getattr(instances.pred_masks, "tensor", instances.pred_masks)[index]
            self._check_size(stem, mask.shape, ids.shape)
            masks.append(mask.cpu().numpy())
        return instance_overlaps(ids, masks, labels, instances.scores.double().cpu().numpy())

    def _compute_metrics(self, images: Sequence[InstanceOverlaps]) -> tuple[str, dict[str, float]]:
        return "segm", instance_metrics(images)


class CityscapesSemSegEvaluator(CityscapesEvaluator):
    """IoU of classes (IoU) and categories (IoU_sup), and both weighted by instance size (iIoU, iIoU_sup).

    Outputs have `sem_seg`: (K, H, W) scores or (H, W) labels, which are indices into the metadata's `stuff_classes`;
    pixels with any other label have no class. Returns `{"sem_seg": {...}}` in percent, with "IoU-<class>" and
    "iIoU-<class>". All metrics equal those of the official scripts.
    """

    def _count(self, stem: str, output: Mapping[str, Any]) -> LabelCounts:
        sem_seg = output["sem_seg"]
        indices = (sem_seg.argmax(dim=0) if sem_seg.dim() == 3 else sem_seg).cpu().to(torch.int64).numpy()
        labels = label_ids(self._metadata.stuff_classes)
        has_class = (indices >= 0) & (indices < len(labels))
        prediction = np.where(has_class, labels[np.where(has_class, indices, 0)], 0)
        file = self.ground_truth_files[stem]
        ground_truth, ids = _read(file.with_name(stem + _LABELS_SUFFIX)), _read(file)
        self._check_size(stem, prediction.shape, ground_truth.shape)
        return label_counts(prediction, ground_truth, ids)

    def _compute_metrics(self, images: Sequence[LabelCounts]) -> tuple[str, dict[str, float]]:
        return "sem_seg", label_metrics(images)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image).astype(np.int64)
