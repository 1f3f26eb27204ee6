"""Evaluator of dense poses on a dataset in COCO's format."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detectory.core.distributed import gather, is_main_process
from detectory.core.storage import local_path, read_json
from detectory.data import MetadataCatalog
from detectory.evaluation import DatasetEvaluator
from detectory.evaluation.results_table import format_metrics
from detectory.projects.densepose.data.categories import select_annotations

from .mesh_alignment import mesh_alignment
from .metrics import MAX_DETECTIONS, MODES, ImageSimilarity, average_metrics
from .predictions import STORAGES, ArrayFile, detections_of
from .similarity import (
    Detection,
    annotated_mask,
    box_overlaps,
    geodesic_point_similarity,
    mask_overlaps,
    paste,
)
from .surfaces import DATA_URL, ChartSurface, MeshSurfaces

_logger = logging.getLogger(__name__)


class DensePoseEvaluator(DatasetEvaluator):
    """Average precision and recall over the similarity of surface points (GPS), points and masks (GPSM), and masks.

    Args:
        dataset_name: Registered dataset with an annotation file in COCO's format.
        distributed: Whether to gather the predictions of all processes.
        output_dir: Folder for the file with the predictions; `None` for no file.
        min_iou_threshold: First threshold of the similarity.
        storage: `"none"` or `"ram"` keep the predictions in memory, `"file"` in a temporary file.
        embedder: Vertex embeddings of the model; only for continuous surface embeddings.
        evaluate_mesh_alignment: Whether to compare the embeddings of key vertices between meshes.
        mesh_names: Meshes of this comparison; all meshes of the embedder by default.
        data_url: Folder or URL of the tables of geodesic distances, see `ChartSurface`.

    Raises:
        ValueError: If `storage` is invalid.
    """

    def __init__(
        self,
        dataset_name: str,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        min_iou_threshold: float = 0.5,
        storage: str = "none",
        embedder: nn.Module | None = None,
        evaluate_mesh_alignment: bool = False,
        mesh_names: Sequence[str] = (),
        data_url: str = DATA_URL,
    ) -> None:
        if storage not in STORAGES:
            raise ValueError(f"DensePoseEvaluator: storage must be one of {list(STORAGES)}, got {storage!r}")
        self._dataset_name, self._metadata = dataset_name, MetadataCatalog.get(dataset_name)
        self._distributed, self._output_dir = distributed, output_dir
        self._min_threshold, self._storage, self._embedder = min_iou_threshold, storage, embedder
        self._mesh_names = list(mesh_names) or list(getattr(embedder, "mesh_names", []))
        self._evaluate_mesh_alignment = evaluate_mesh_alignment
        self._data_url = data_url
        self._charts = ChartSurface(data_url)
        self._meshes = MeshSurfaces(self._charts)
        self.reset()

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions: dict[Any, list[Detection]] = {}
        self._file = ArrayFile(self._output_dir) if self._storage == "file" else None

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Store the predictions for a batch of images.

        Args:
            inputs: Dicts with `image_id`.
            outputs: Dicts with `instances`; images without `pred_densepose` count as images without detections.
        """
        by_id = getattr(self._metadata, "thing_dataset_id_to_contiguous_id", {})
        categories = {label: category for category, label in by_id.items()}
        meshes = getattr(self._metadata, "class_to_mesh_name", {})
        for record, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            detections = []
            if instances.has("pred_densepose"):
                detections = detections_of(instances, categories, self._embedder, meshes)
            self._predictions[record["image_id"]] = [
                detection if self._file is None else self._file.move(detection) for detection in detections
            ]

    def evaluate(self, img_ids: Sequence[Any] | None = None) -> dict[str, dict[str, float]]:
        """Compute the metrics.

        Args:
            img_ids: Ids of the images to evaluate. None: all images of the dataset.

        Returns:
            `densepose_gps`, `densepose_gpsm` and `densepose_segm`, each a dict of metrics in percent, see
            `average_metrics`; `densepose_mesh_alignment` if requested. Empty in all processes but the main one.
        """
        predictions = self._predictions
        if self._distributed:
            parts = gather(self._predictions, dst=0)
            if not is_main_process():
                return {}
            predictions = {image: detections for part in reversed(parts) for image, detections in part.items()}
        if self._output_dir:
            self._write(predictions)
        by_category = self._similarities(predictions, img_ids)
        results = {}
        for mode in MODES:
            results[f"densepose_{mode}"] = average_metrics(by_category, mode, self._min_threshold)
            table = format_metrics(results[f"densepose_{mode}"])
            _logger.info("Evaluation results for densepose, %s:\n%s", mode, table)
        if self._evaluate_mesh_alignment and self._embedder is not None:
            results["densepose_mesh_alignment"] = mesh_alignment(self._embedder, self._mesh_names, self._data_url)
        return results

    def _write(self, predictions: Mapping[Any, list[Detection]]) -> None:
        folder = Path(str(self._output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        entries = []
        for image_id, detections in predictions.items():
            for found in detections:
                entry = {"image_id": image_id, "category_id": found.category, "bbox": list(found.bbox)}
                entry |= {"score": found.score, "labels": torch.from_numpy(np.array(found.labels))}
                for name in ("uv", "vertices"):
                    if getattr(found, name) is not None:
                        entry[name] = torch.from_numpy(np.array(getattr(found, name)))
                entries.append(entry)
        torch.save(entries, folder / "coco_densepose_predictions.pth")

    def _similarities(
        self, predictions: Mapping[Any, list[Detection]], img_ids: Sequence[Any] | None
    ) -> list[list[ImageSimilarity]]:
        """Return the similarities of all images by category."""
        content = read_json(local_path(self._metadata.json_file))
        annotations = select_annotations(self._dataset_name, content["annotations"])
        objects: dict[tuple[Any, Any], list[dict[str, Any]]] = defaultdict(list)
        for annotation in annotations:
            objects[annotation["image_id"], annotation["category_id"]].append(annotation)
        images = [image for image in content["images"] if img_ids is None or image["id"] in set(img_ids)]
        result = []
        for category in sorted({annotation["category_id"] for annotation in annotations}):
            per_image = []
            for image in images:
                found = [d for d in predictions.get(image["id"], []) if d.category == category]
                truth = objects[image["id"], category]
                if found or truth:
                    per_image.append(self._similarity(found, truth, image["height"], image["width"]))
            result.append(per_image)
        return result

    def _similarity(
        self, detections: list[Detection], objects: list[dict[str, Any]], height: int, width: int
    ) -> ImageSimilarity:
        detections = sorted(detections, key=lambda detection: -detection.score)[:MAX_DETECTIONS]
        crowd = np.array([bool(entry.get("iscrowd", 0)) for entry in objects], bool)
        ignored = np.array(["dp_x" not in entry for entry in objects], bool)
        gps = np.zeros((len(detections), len(objects)))
        for column, entry in enumerate(objects):
            for row, detection in enumerate(detections):
                if not ignored[column]:
                    gps[row, column] = geodesic_point_similarity(detection, entry, self._charts, self._meshes)
        boxes = np.array([detection.bbox for detection in detections], np.float64).reshape(-1, 4)
        gt_boxes = np.array([entry["bbox"] for entry in objects], np.float64).reshape(-1, 4)
        masks = mask_overlaps(
            [paste(detection.labels > 0, detection.bbox, height, width) for detection in detections],
            [annotated_mask(entry, height, width) for entry in objects],
            crowd,
        )
        areas = [entry.get("area", entry["bbox"][2] * entry["bbox"][3]) for entry in objects]
        return ImageSimilarity(
            gps=gps,
            masks=masks,
            boxes=box_overlaps(boxes, gt_boxes, crowd),
            scores=np.array([detection.score for detection in detections]),
            areas=boxes[:, 2:].prod(1),
            gt_areas=np.array(areas, np.float64),
            gt_ignored=ignored,
            gt_crowd=crowd,
        )
