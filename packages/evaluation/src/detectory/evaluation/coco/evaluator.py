"""Evaluates boxes, masks and keypoints by COCO's metrics, for any dataset."""

import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.distributed import gather, is_main_process
from detectory.core.suggestions import nearest
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.evaluation.detections import Detections
from detectory.evaluation.evaluator import DatasetEvaluator
from detectory.evaluation.prediction_files import save_predictions, save_results_json
from detectory.evaluation.results_table import format_categories, format_metrics

from . import recall
from .compute import CocoSettings, coco_metrics
from .ground_truth import CocoGroundTruth, ground_truth_of
from .matching import CocoObjects
from .metrics import CocoMetrics
from .results_file import FIELD_OF, load_box_index, load_results

TASKS = tuple(FIELD_OF)


class COCOEvaluator(DatasetEvaluator):
    """Average precision and recall of boxes, masks and keypoints.

    Predictions are made compact as they come (masks become RLEs), so that memory grows by kilobytes an image.
    Processes send these compact predictions to the main one; images that came twice count once.

    Args:
        dataset_name: A registered dataset. With `json_file` in its metadata that COCO file is the ground truth, else
            what `DatasetCatalog` returns for it.
        tasks: Of "bbox", "segm" and "keypoints"; None: those that the predictions have.
        distributed: Whether predictions of all processes are evaluated together, in the main process.
        output_dir: Where `instances_predictions.pth` and `coco_instances_results.json` are written; None: nowhere.
        max_dets_per_image: The highest number of detections of an image and class that counts, or three numbers as
            COCO has them; None: COCO's 1, 10 and 100.
        use_fast_impl: Use hotcoco, whose figures equal those of pycocotools; False: use pycocotools.
        kpt_oks_sigmas: One per keypoint; empty: COCO's 17 of persons.
        allow_cached_coco: Accepted for Detectron2's sake; nothing is cached.
        settings: Other IoU thresholds and area ranges.

    Raises:
        ValueError: for an unknown task.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | Sequence[int] | None = None,
        use_fast_impl: bool = True,
        kpt_oks_sigmas: Sequence[float] = (),
        allow_cached_coco: bool = True,
        settings: CocoSettings | None = None,
    ) -> None:
        for task in tasks or ():
            if task not in TASKS:
                raise ValueError(f"COCOEvaluator: unknown task {task!r}: {nearest(task, TASKS)}")
        self._logger = logging.getLogger(__name__)
        self._tasks = tuple(tasks) if tasks is not None else None
        self._distributed = distributed
        self._output_dir = output_dir
        self._use_reference = not use_fast_impl
        settings = settings or CocoSettings()
        limits: Sequence[int] = settings.max_detections
        if isinstance(max_dets_per_image, int):
            limits = (1, 10, max_dets_per_image)
        elif max_dets_per_image is not None:
            limits = tuple(max_dets_per_image)
        self._settings = CocoSettings(
            settings.iou_thresholds, settings.area_ranges, limits, tuple(kpt_oks_sigmas) or settings.oks_sigmas
        )
        self._dataset_name = dataset_name
        self._metadata = MetadataCatalog.get(dataset_name)
        self._predictions: dict[Any, Detections] = {}
        self._proposals: dict[Any, recall.Overlaps] = {}
        self._objects: recall.ImageObjects | None = None
        self._ground_truth: CocoGroundTruth | None = None

    results_name = "coco_instances_results.json"
    """Name of the results file in `output_dir`."""

    def reset(self) -> None:
        """Forget the predictions."""
        self._predictions, self._proposals = {}, {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Take the predictions for some images.

        Args:
            inputs: Dicts with `image_id`.
            outputs: Dicts with `instances`, or with `proposals` (`proposal_boxes` and `objectness_logits`), or both.
        """
        for record, output in zip(inputs, outputs, strict=True):
            image_id = record["image_id"]
            if "instances" in output:
                self._predictions[image_id] = self._detections(image_id, output["instances"])
            if "proposals" in output:
                if self._objects is None:
                    self._objects = recall.ImageObjects(CocoObjects.of(self.ground_truth))
                boxes = recall.best_proposals(output["proposals"])
                self._proposals[image_id] = recall.covered_overlaps(boxes, *self._objects.of(image_id))

    def evaluate(self, img_ids: Sequence[Any] | None = None) -> dict[str, dict[str, float]]:
        """Write the results files and measure.

        Args:
            img_ids: Only these images count; None: all images of the dataset.

        Returns:
            For each task a dict of metric name to percent, and "AP-<class>" where there are at least two classes;
            NaN for what cannot be computed. With proposals also "box_proposals": their recalls "AR@100", "ARs@100", ….
            Empty in other processes than the main one, and where nothing was predicted for any image.

        Raises:
            ValueError: for a predicted class or image that the dataset does not have; nothing is written then.
        """
        parts = [(self._predictions, self._proposals)]
        if self._distributed:
            parts = gather(parts[0], dst=0)
            if not is_main_process():
                return {}
        predictions = {image: found for part, _ in reversed(parts) for image, found in part.items()}
        results = self._recalls([proposals for _, proposals in parts], img_ids)
        if not predictions:
            if not results:
                self._logger.warning("COCOEvaluator: got no predictions for any image of %s", self._dataset_name)
            return results
        self._check_classes(predictions.values())
        self._check_images(predictions)
        if self._output_dir:
            self._write(predictions)
        found = Detections.concatenate(predictions.values())
        tasks = self._tasks or self._tasks_of(found)
        return results | {task: self._measure(task, found, img_ids) for task in tasks}

    @property
    def ground_truth(self) -> CocoGroundTruth:
        """The dataset's ground truth, read when first asked for."""
        if self._ground_truth is None:
            path = getattr(self._metadata, "json_file", None)
            if path:
                self._ground_truth = CocoGroundTruth(path)
            else:
                self._ground_truth = ground_truth_of(DatasetCatalog.get(self._dataset_name), self._metadata)
        return self._ground_truth

    def _recalls(self, parts: Sequence[Mapping[Any, Any]], img_ids: Sequence[Any] | None) -> dict[str, Any]:
        """The recalls of proposals under "box_proposals", where there are any."""
        chosen = [part if img_ids is None else {i: part[i] for i in img_ids if i in part} for part in parts]
        if not any(chosen):
            return {}
        figures = recall.recall_figures(recall.merged(chosen))
        self._logger.info("Proposal recall:\n%s", format_metrics(figures))
        return {"box_proposals": figures}

    def _detections(self, image_id: Any, instances: Any) -> Detections:
        return Detections.from_instances(image_id, instances)

    def _tasks_of(self, found: Detections) -> tuple[str, ...]:
        have = {"bbox": True, "segm": found.masks is not None, "keypoints": found.keypoints is not None}
        return tuple(task for task in TASKS if have[task])

    def _category_ids(self) -> dict[int, int]:
        """Contiguous class id to the dataset's: as the metadata say, else in the order of the file's ids."""
        contiguous = getattr(self._metadata, "thing_dataset_id_to_contiguous_id", None)
        if contiguous:
            return {index: category for category, index in contiguous.items()}
        names = getattr(self._metadata, "thing_classes", None)
        return dict(enumerate(self.ground_truth.category_names if names is None else range(len(names))))

    def _check_classes(self, predictions: Iterable[Detections]) -> None:
        ids = self._category_ids()
        unknown = sorted({category for found in predictions for category in found.categories.tolist()} - set(ids))
        if unknown:
            raise ValueError(
                f"COCOEvaluator: predicted class {unknown[0]}, but {self._dataset_name} has classes 0 to {len(ids) - 1}"
            )

    def _check_images(self, predictions: Mapping[Any, Detections]) -> None:
        known = self.ground_truth.image_sizes
        unknown = [image for image, found in predictions.items() if len(found) and image not in known]
        if unknown:
            raise ValueError(f"COCOEvaluator: image {unknown[0]!r} is none of the {len(known)} of {self._dataset_name}")

    def _measure(self, task: str, found: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        names = [n for n in ("AP", "AP50", "AP75", "APs", "APm", "APl") if (task, n) != ("keypoints", "APs")]
        if not len(found) or (task != "bbox" and getattr(found, _COLUMN_OF[task]) is None):
            self._logger.warning("COCOEvaluator: no predictions for task %s", task)
            return dict.fromkeys(names, math.nan)
        ids = self._category_ids()
        categories = np.array([ids[category] for category in found.categories.tolist()], dtype=np.int64)
        detections = Detections(found.image_ids, categories, found.scores)
        setattr(detections, _COLUMN_OF[task], getattr(found, _COLUMN_OF[task]))
        return self._figures(task, detections, img_ids)

    def _figures(self, task: str, found: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        metrics = coco_metrics(
            self.ground_truth, found, task, self._settings, image_ids=img_ids, use_reference=self._use_reference
        )
        return report_metrics(metrics)

    def _write(self, predictions: Mapping[Any, Detections]) -> None:
        folder = Path(self._output_dir or "")
        ids = self._category_ids()
        by_image = ({"image_id": image, "instances": one.to_json(ids)} for image, one in predictions.items())
        save_predictions(folder / "instances_predictions.pth", by_image)
        save_results_json(folder / self.results_name, (one.to_json(ids) for one in predictions.values()))
        self._logger.info("Saved results to %s", folder / self.results_name)


_COLUMN_OF = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints"}


def evaluate_coco_results(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    iou_type: str = "bbox",
    settings: CocoSettings | None = None,
) -> dict[str, float]:
    """Evaluate a file of COCO results, whatever tool it comes from.

    Args:
        annotations: A COCO annotation file, or what it holds.
        results: A COCO results file, or its list.
        iou_type: "bbox", "segm" or "keypoints".
        settings: Thresholds, areas and limits; None: COCO's.

    Returns:
        Metric name to percent, with "AP-<class>" where there are at least two classes.

    Raises:
        ValueError: where a file is not what it should be; the message names the file, the entry and its field.
    """
    if iou_type not in TASKS:
        raise ValueError(f"evaluate_coco_results: unknown iou_type {iou_type!r}: {nearest(iou_type, TASKS)}")
    truth = CocoGroundTruth(annotations)
    index = None
    if iou_type == "bbox" and isinstance(results, (str, os.PathLike)):
        index = load_box_index(Path(results), truth)
    found = load_results(results, truth, iou_type) if index is None else index
    return report_metrics(coco_metrics(truth, found, iou_type, settings))


def report_metrics(metrics: CocoMetrics) -> dict[str, float]:
    """Log tables of the metrics and of the classes' AP, and return both as one dict in percent."""
    logger = logging.getLogger(__name__)
    figures = metrics.summary()
    logger.info("Evaluation results for %s:\n%s", metrics.iou_type, format_metrics(figures))
    if len(metrics.categories) > 1:
        categories = metrics.per_category()
        logger.info("Per-category %s AP:\n%s", metrics.iou_type, format_categories(categories))
        figures |= {f"AP-{name}": value for name, value in categories.items()}
    return figures
