"""COCO evaluator for the boxes, masks, keypoints and proposals that a model predicts on a registered dataset."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.distributed import gather, is_main_process
from detectory.core.suggestions import nearest
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.evaluation.detections import Detections
from detectory.evaluation.evaluator import DatasetEvaluator, ModelOutputs
from detectory.evaluation.prediction_files import save_predictions, save_results_json
from detectory.evaluation.results_table import format_metrics

from .compute import CocoSettings, check_keypoints, check_masks, coco_metrics
from .file_evaluation import all_metrics
from .ground_truth import CocoGroundTruth, ground_truth_from_records
from .matching import CocoObjects
from .recall import CoverageIous, ImageObjects, coverage_ious, proposal_recall, top_proposals

_logger = logging.getLogger(__name__)

_COLUMNS = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints"}
"""Task to the column of `Detections` that it measures."""


class COCOEvaluator(DatasetEvaluator):
    """Average precision and recall of boxes, masks and keypoints, and average recall of proposals.

    Predictions are compressed as they arrive (masks become RLEs), so memory grows by kilobytes per image. In
    distributed evaluation the main process gathers the compressed predictions. An image that was evaluated twice, for
    example because a sampler padded the last batch, counts once.

    Args:
        dataset_name: A registered dataset. If its metadata has `json_file`, that COCO file is the ground truth;
            otherwise the records of `DatasetCatalog` are.
        tasks: Any of "bbox", "segm" and "keypoints". None: every task that the predictions have fields for.
        distributed: Whether to evaluate the predictions of all processes together, in the main process.
        output_dir: Folder for `instances_predictions.pth` and `coco_instances_results.json`. None: write no files.
        max_dets_per_image: Maximum number of detections per image and class, or three limits like COCO's.
            None: COCO's limits of 1, 10 and 100.
        use_fast_impl: Whether to use hotcoco, which returns exactly the metrics of pycocotools. False: pycocotools.
        kpt_oks_sigmas: One OKS sigma per keypoint. Empty: see `CocoSettings`.
        allow_cached_coco: Accepted for compatibility with Detectron2. Nothing is cached.
        settings: Non-standard IoU thresholds and area ranges.

    Raises:
        ValueError: If a task is not supported.
    """

    results_name = "coco_instances_results.json"
    """Name of the results file in `output_dir`."""

    supported_tasks: tuple[str, ...] = ("bbox", "segm", "keypoints")
    """Tasks that this evaluator can measure."""

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
            if task not in self.supported_tasks:
                name, hint = type(self).__name__, nearest(task, self.supported_tasks)
                raise ValueError(f"{name}: tasks must be among {self.supported_tasks}, got {task!r}: {hint}")
        self._tasks = tuple(tasks) if tasks is not None else None
        self._distributed = distributed
        self._output_dir = output_dir
        self._use_pycocotools = not use_fast_impl
        self._settings = _merged_settings(settings or CocoSettings(), max_dets_per_image, kpt_oks_sigmas)
        self._dataset_name = dataset_name
        self._metadata = MetadataCatalog.get(dataset_name)
        self._predictions: dict[Any, Detections] = {}
        self._proposals: dict[Any, CoverageIous] = {}
        self._objects: ImageObjects | None = None
        self._ground_truth: CocoGroundTruth | None = None

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Read the ground truth and compare it with the outputs of the model.

        Raises:
            ValueError: If the ground truth is not a valid COCO dataset, has objects without a mask or with another
                number of keypoints than the model predicts, or if the number of OKS sigmas is another one. The message
                names the file and the entry.
        """
        ground_truth, tasks = self.ground_truth, self._tasks or self.supported_tasks
        if outputs is not None and outputs.masks and "segm" in tasks:
            check_masks(ground_truth)
        if outputs is not None and outputs.num_keypoints is not None and "keypoints" in tasks:
            check_keypoints(ground_truth, outputs.num_keypoints, self._settings)

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions, self._proposals = {}, {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Store the predictions for a batch of images.

        Args:
            inputs: Dicts with `image_id`.
            outputs: Dicts with `instances`, `proposals` (with `proposal_boxes` and `objectness_logits`) or both.
        """
        for record, output in zip(inputs, outputs, strict=True):
            image_id = record["image_id"]
            if "instances" in output:
                self._predictions[image_id] = Detections.from_instances(image_id, output["instances"])
            if "proposals" in output:
                if self._objects is None:
                    self._objects = ImageObjects(CocoObjects.from_ground_truth(self.ground_truth))
                boxes = top_proposals(output["proposals"])
                self._proposals[image_id] = coverage_ious(boxes, *self._objects.of_image(image_id))

    def evaluate(self, img_ids: Sequence[Any] | None = None) -> dict[str, dict[str, float]]:
        """Write the results files and compute the metrics.

        Args:
            img_ids: Ids of the images to evaluate. None: all images of the dataset.

        Returns:
            Task name to {metric name: percent}, with "AP-<class>" if there are at least two classes and NaN for
            undefined metrics. If the model returned proposals, "box_proposals" has their average recall under
            "AR@100", "ARs@100", …. Empty in all processes but the main one, and if there are no predictions.

        Raises:
            ValueError: If a predicted class or image is not in the dataset. No file is written in that case.
        """
        parts = [(self._predictions, self._proposals)]
        if self._distributed:
            parts = gather(parts[0], dst=0)
            if not is_main_process():
                return {}
        # Reversed: the first process that evaluated an image wins.
        predictions = {image: part[image] for part, _ in reversed(parts) for image in part}
        results = self._proposal_results([proposals for _, proposals in parts], img_ids)
        if not predictions:
            if not results:
                _logger.warning("COCOEvaluator: no predictions for any image of %s", self._dataset_name)
            return results
        self._check_classes(predictions.values())
        self._check_images(predictions)
        if self._output_dir:
            self._write_files(Path(self._output_dir), predictions)
        self._warn_about_partial_columns(predictions)
        detections = self._annotated_classes(Detections.concatenate(predictions.values()))
        tasks = self._tasks or self._available_tasks(detections)
        return results | {task: self._evaluate_task(task, detections, img_ids) for task in tasks}

    @property
    def ground_truth(self) -> CocoGroundTruth:
        """The ground truth of the dataset, read on first use."""
        if self._ground_truth is None:
            path = getattr(self._metadata, "json_file", None)
            if path:
                self._ground_truth = CocoGroundTruth(path)
            else:
                records = DatasetCatalog.get(self._dataset_name)
                self._ground_truth = ground_truth_from_records(records, self._metadata)
        return self._ground_truth

    def _proposal_results(
        self, parts: Sequence[Mapping[Any, CoverageIous]], img_ids: Sequence[Any] | None
    ) -> dict[str, dict[str, float]]:
        """Average recall of the proposals under "box_proposals", empty without proposals."""
        merged = {image: part[image] for part in reversed(parts) for image in part}
        if img_ids is not None:
            merged = {image: merged[image] for image in img_ids if image in merged}
        if not merged:
            return {}
        metrics = proposal_recall(merged.values())
        _logger.info("Proposal recall:\n%s", format_metrics(metrics))
        return {"box_proposals": metrics}

    def _available_tasks(self, detections: Detections) -> list[str]:
        """Tasks that the detections have a column for; without any detection, "bbox"."""
        has_column = {task: getattr(detections, column) is not None for task, column in _COLUMNS.items()}
        has_column["bbox"] = True
        return [task for task in self.supported_tasks if has_column[task]]

    def _warn_about_partial_columns(self, predictions: Mapping[Any, Detections]) -> None:
        """Warn about predictions that are not evaluated because some images lack them."""
        parts = {image: detections for image, detections in predictions.items() if len(detections)}
        for task, column in _COLUMNS.items():
            without = [image for image, detections in parts.items() if getattr(detections, column) is None]
            if 0 < len(without) < len(parts):
                _logger.warning(
                    "COCOEvaluator: task %s is not evaluated: %s are missing for %d of %d images, the first is %r",
                    *(task, column, len(without), len(parts), without[0]),
                )

    def _category_ids(self) -> dict[int, int]:
        """Contiguous class id to dataset category id; without metadata, in the order of the file's category ids."""
        contiguous_ids = getattr(self._metadata, "thing_dataset_id_to_contiguous_id", None)
        if contiguous_ids:
            return {index: category for category, index in contiguous_ids.items()}
        names = getattr(self._metadata, "thing_classes", None)
        return dict(enumerate(self.ground_truth.category_names if names is None else range(len(names))))

    def _check_classes(self, predictions: Iterable[Detections]) -> None:
        count = max(len(getattr(self._metadata, "thing_classes", None) or ()), len(self._category_ids()))
        predicted = {category for detections in predictions for category in detections.categories.tolist()}
        unknown = sorted(category for category in predicted if not 0 <= category < count)
        if unknown:
            raise ValueError(
                f"COCOEvaluator: predicted class {unknown[0]}, but {self._dataset_name} has classes 0 to {count - 1}"
            )

    def _annotated_classes(self, detections: Detections) -> Detections:
        """Drop the detections of classes that the dataset's file does not have; they cannot match any object."""
        known = np.isin(detections.categories, list(self._category_ids()))
        if known.all():
            return detections
        names = self._metadata.thing_classes
        dropped = sorted({names[category] for category in detections.categories[~known].tolist()})
        _logger.info(
            "%d detections are not evaluated, because %s does not have their classes: %s",
            *(int((~known).sum()), self._dataset_name, ", ".join(dropped)),
        )
        return detections.select(known.nonzero()[0])

    def _check_images(self, predictions: Mapping[Any, Detections]) -> None:
        known_ids = self.ground_truth.image_sizes
        unknown = [image for image, detections in predictions.items() if len(detections) and image not in known_ids]
        if unknown:
            raise ValueError(
                f"COCOEvaluator: image {unknown[0]!r} is not one of the {len(known_ids)} images of {self._dataset_name}"
            )

    def _evaluate_task(self, task: str, detections: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        column = getattr(detections, _COLUMNS[task])
        if not len(detections) or (task != "bbox" and column is None):
            _logger.warning("COCOEvaluator: no predictions for task %s", task)
            names = ["AP", "AP50", "AP75", "APs", "APm", "APl"]
            if task == "keypoints":
                names.remove("APs")  # COCO defines no small persons
            return dict.fromkeys(names, math.nan)
        ids = self._category_ids()
        categories = np.array([ids[category] for category in detections.categories.tolist()], dtype=np.int64)
        selected = Detections(detections.image_ids, categories, detections.scores)
        setattr(selected, _COLUMNS[task], column)
        return self._compute_metrics(task, selected, img_ids)

    def _compute_metrics(self, task: str, detections: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        """Metrics of detections that have dataset category ids and only the column of the task."""
        metrics = coco_metrics(
            self.ground_truth,
            detections,
            task,
            self._settings,
            image_ids=img_ids,
            use_pycocotools=self._use_pycocotools,
        )
        return all_metrics(metrics)

    def _write_files(self, folder: Path, predictions: Mapping[Any, Detections]) -> None:
        ids = self._category_ids()
        known = {
            image: part.select(np.isin(part.categories, list(ids)).nonzero()[0]) for image, part in predictions.items()
        }
        images = ({"image_id": image, "instances": part.to_json(ids)} for image, part in known.items())
        save_predictions(folder / "instances_predictions.pth", images)
        save_results_json(folder / self.results_name, (part.to_json(ids) for part in known.values()))
        _logger.info("Saved results to %s", folder / self.results_name)


def _merged_settings(
    settings: CocoSettings, max_dets_per_image: int | Sequence[int] | None, kpt_oks_sigmas: Sequence[float]
) -> CocoSettings:
    """Settings in which the evaluator's own arguments take precedence."""
    limits: Sequence[int] = settings.max_detections
    if isinstance(max_dets_per_image, int):
        limits = (1, 10, max_dets_per_image)
    elif max_dets_per_image is not None:
        limits = tuple(max_dets_per_image)
    oks_sigmas = tuple(kpt_oks_sigmas) or settings.oks_sigmas
    return CocoSettings(settings.iou_thresholds, settings.area_ranges, limits, oks_sigmas)
