"""Random test images with their ground truth and the predictions of a run."""

import itertools
import logging
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.inference.predictor import Predictor
from detectory.engine.report.drawings import draw_annotations, draw_outputs, read_rgb
from detectory.evaluation.report import CocoEvaluation
from detectory.structures import Boxes, Instances
from detectory.structures.records import DatasetRecord
from detectory.visualization import Visualizer
from detectory.visualization.html import GalleryItem

_logger = logging.getLogger(__name__)
_MAX_SIDE = 640


def random_records(dataset: str, count: int, seed: int = 0) -> list[DatasetRecord]:
    """Return random records of a registered dataset that have an image file; images without objects come last."""
    records = list(DatasetCatalog.get(dataset))
    random.Random(seed).shuffle(records)
    records.sort(key=lambda record: record.get("annotations") == [])
    with_file = (record for record in records if Path(record.get("file_name", "")).is_file())
    return list(itertools.islice(with_file, count))


def saved_examples(records: Sequence[DatasetRecord], dataset: str, evaluation: CocoEvaluation) -> Iterator[GalleryItem]:
    """Yield images with ground truth and saved detections above the score threshold of the error analysis."""
    metadata = MetadataCatalog.get(dataset)
    for record in records:
        detections = _saved_instances(record, evaluation)

        def draw(visualizer: Visualizer, instances: Instances = detections) -> np.ndarray:
            return visualizer.draw_instance_predictions(instances).get_image()

        yield from _item(record, metadata, draw, f"{len(detections)} detections")


def predicted_examples(
    records: Sequence[DatasetRecord], dataset: str, predictor: Predictor, threshold: float = 0.5, seconds: float = 60.0
) -> Iterator[GalleryItem]:
    """Yield images with ground truth and the outputs of a model, until the time limit is reached."""
    metadata = MetadataCatalog.get(dataset)
    start = time.monotonic()
    for record in records:
        if time.monotonic() - start > seconds:
            return
        outputs = predictor(record["file_name"])

        def draw(visualizer: Visualizer, outputs: Any = outputs) -> np.ndarray:
            return draw_outputs(visualizer, outputs, threshold).get_image()

        yield from _item(record, metadata, draw, f"score ≥ {threshold:g}")


def _item(record: DatasetRecord, metadata: Any, draw: Any, note: str) -> Iterator[GalleryItem]:
    """Yield the drawings of one image; nothing if it cannot be drawn."""
    try:
        ground_truth = draw_annotations(record, metadata, _MAX_SIDE).get_image()
        image = read_rgb(record["file_name"])
        scale = min(1.0, _MAX_SIDE / max(image.shape[:2]))
        prediction = draw(Visualizer(image, metadata, scale=scale))
    except (OSError, ValueError) as error:
        _logger.warning("report: %s", error)
        return
    objects = record.get("annotations")
    count = "" if objects is None else f"{len(objects)} objects, "
    yield GalleryItem([ground_truth, prediction], f"{Path(record['file_name']).name}: {count}{note}")


def _saved_instances(record: DatasetRecord, evaluation: CocoEvaluation) -> Instances:
    found = evaluation.detections
    is_shown = (found.image_ids == record["image_id"]) & (found.scores >= evaluation.score_threshold)
    shown = found.select(np.flatnonzero(is_shown))
    height, width = evaluation.ground_truth.image_sizes[record["image_id"]]
    ids = {category: index for index, category in enumerate(evaluation.ground_truth.category_names)}
    instances = Instances((height, width), scores=torch.as_tensor(shown.scores))
    instances.pred_classes = torch.as_tensor([ids[category] for category in shown.categories.tolist()])
    if shown.boxes is not None:
        boxes = torch.as_tensor(shown.boxes).reshape(-1, 4)
        instances.pred_boxes = Boxes(torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1))
    if shown.masks is not None:
        instances.pred_masks_rle = list(shown.masks)
    if shown.keypoints is not None:
        # COCO's integers are pixel centres; Detectory's keypoints are in continuous coordinates.
        instances.pred_keypoints = torch.as_tensor(shown.keypoints + np.array([0.5, 0.5, 0.0]))
    return instances
