"""Detections of a model in the form that the evaluation stores: one byte per value, or one vertex per pixel."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detectory.projects.densepose.converters import integer_box, to_chart_result
from detectory.projects.densepose.modeling.cse import get_closest_vertices_mask_from_ES
from detectory.projects.densepose.structures import (
    DensePoseChartPredictorOutput,
    DensePoseEmbeddingPredictorOutput,
    quantize_densepose_chart_result,
)
from detectory.structures import BoxMode, Instances

from .similarity import Detection

STORAGES = ("none", "ram", "file")


def detections_of(
    instances: Instances,
    categories: Mapping[int, int],
    embedder: nn.Module | None = None,
    class_to_mesh_name: Mapping[str, str] | None = None,
) -> list[Detection]:
    """Return the detections of one image.

    Args:
        instances: Output of the model with `pred_densepose`.
        categories: Category id of the dataset by class; missing classes keep their number.
        embedder: Vertex embeddings; required for continuous surface embeddings.
        class_to_mesh_name: Mesh by class (a string); required for continuous surface embeddings.

    Raises:
        ValueError: If the embedder or a mesh is missing.
        TypeError: If the class of `pred_densepose` is unknown.
    """
    if not len(instances):
        return []
    boxes = BoxMode.convert(instances.pred_boxes.tensor.clone(), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS).tolist()
    detections = []
    for index, (score, label) in enumerate(
        zip(instances.scores.tolist(), instances.pred_classes.tolist(), strict=True)
    ):
        output, box = instances.pred_densepose[index], instances.pred_boxes.tensor[index]
        common: dict[str, Any] = {
            "bbox": tuple(boxes[index]),
            "score": score,
            "category": categories.get(label, label),
        }
        if isinstance(output, DensePoseChartPredictorOutput):
            labels, *uv = quantize_densepose_chart_result(to_chart_result(output, box)).labels_uv_uint8.cpu().numpy()
            detections.append(Detection(labels=labels, uv=np.stack(uv), **common))
        elif isinstance(output, DensePoseEmbeddingPredictorOutput):
            name = (class_to_mesh_name or {}).get(str(label))
            if embedder is None or name is None:
                raise ValueError(
                    f"detections_of: class {label} requires an embedder and a mesh in class_to_mesh_name, "
                    f"got {type(embedder).__name__} and {class_to_mesh_name}"
                )
            detections.append(_on_mesh(output, box, embedder, name, common))
        else:
            raise TypeError(f"detections_of: pred_densepose must be a predictor output, got {type(output).__name__}")
    return detections


@torch.no_grad()
def _on_mesh(output: Any, box: Any, embedder: nn.Module, name: str, common: dict[str, Any]) -> Detection:
    _, _, width, height = integer_box(box)
    device = output.embedding.device
    vertices, mask = get_closest_vertices_mask_from_ES(
        output.embedding, output.coarse_segm, height, width, embedder(name).to(device), device
    )
    labels = mask.to(torch.uint8).cpu().numpy()
    return Detection(labels=labels, vertices=vertices.to(torch.int32).cpu().numpy(), mesh_name=name, **common)


class ArrayFile:
    """A temporary file of arrays, for results that do not fit into memory.

    Args:
        folder: Folder of the file; the temporary folder of the system by default.
    """

    def __init__(self, folder: str | None = None) -> None:
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the object

    def move(self, detection: Detection) -> Detection:
        """Return the detection with its arrays in the file."""
        for name in ("labels", "uv", "vertices"):
            values = getattr(detection, name)
            if values is not None:
                setattr(detection, name, self._written(values))
        return detection

    def _written(self, values: np.ndarray) -> np.ndarray:
        offset = self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(values).tobytes())
        self._file.flush()
        return np.memmap(self._file, dtype=values.dtype, mode="r", offset=offset, shape=values.shape)
