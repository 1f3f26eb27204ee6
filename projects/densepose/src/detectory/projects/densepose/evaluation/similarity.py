"""Similarity of a detected and an annotated object: GPS and the overlap of their masks.

Source: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018, section 2.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from detectory.projects.densepose.structures import DensePoseDataRelative
from detectory.structures import polygons_to_bitmask, rle_to_bitmask

from .surfaces import ChartSurface, MeshSurfaces


@dataclass
class Detection:
    """One detected object.

    Attributes:
        bbox: `(x, y, width, height)` in pixels.
        score: Confidence in [0, 1].
        category: Category id of the dataset.
        labels: `(h, w)` uint8, 0 for background; `h` and `w` are the truncated size of the box. For charts, the chart.
        uv: `(2, h, w)` uint8 U * 255 and V * 255; `None` for meshes.
        vertices: `(h, w)` int32 vertices; `None` for charts.
        mesh_name: Mesh of the vertices.
    """

    bbox: tuple[float, float, float, float]
    score: float
    category: int
    labels: np.ndarray
    uv: np.ndarray | None = None
    vertices: np.ndarray | None = None
    mesh_name: str | None = None


def geodesic_point_similarity(
    detection: Detection, annotation: Mapping[str, Any], charts: ChartSurface, meshes: MeshSurfaces
) -> float:
    """Return the mean similarity over the annotated points, in [0, 1].

    A point has the similarity `exp(-g^2 / (2 k^2))`, where `g` is the geodesic distance between the annotated and the
    detected position on the surface, and `k` the mean distance of the body part. Points in the background or outside
    the detected box have the similarity 0.

    Args:
        detection: The detected object.
        annotation: Annotation in COCO's format with the fields of DensePose.
        charts: The human body.
        meshes: The meshes.
    """
    rows, columns, is_inside = _pixels(detection, annotation)
    if not is_inside.any():
        return 0.0
    is_body = is_inside & (detection.labels[rows, columns] > 0)
    if "dp_vertex" in annotation:
        name, truth = annotation["ref_model"], np.asarray(annotation["dp_vertex"], np.int64)
        found = np.full(len(rows), -1, np.int64)
        if detection.vertices is not None and detection.mesh_name == name:
            found = np.where(is_body, detection.vertices[rows, columns], -1)
        distances, scales = meshes.distances(name, truth, found), meshes.scales(name, truth)
    else:
        truth, found = _chart_vertices(detection, annotation, rows, columns, is_body, charts)
        known = truth >= 0
        distances, scales = charts.distances(truth[known], found[known]), charts.scales(truth[known])
    return float(np.exp(-(distances**2) / (2 * scales**2)).mean()) if len(distances) else 0.0


def _pixels(detection: Detection, annotation: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row and column in the detection of each annotated point, 0 outside, and whether the point is inside."""
    x, y, width, height = annotation["bbox"]
    at_x = np.asarray(annotation["dp_x"], np.float64) * width / 255.0 + x - detection.bbox[0]
    at_y = np.asarray(annotation["dp_y"], np.float64) * height / 255.0 + y - detection.bbox[1]
    columns, rows = at_x.astype(int), at_y.astype(int)
    h, w = detection.labels.shape
    is_inside = (columns >= 0) & (rows >= 0) & (columns < w) & (rows < h)
    return np.where(is_inside, rows, 0), np.where(is_inside, columns, 0), is_inside


def _chart_vertices(
    detection: Detection,
    annotation: Mapping[str, Any],
    rows: np.ndarray,
    columns: np.ndarray,
    is_body: np.ndarray,
    charts: ChartSurface,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the annotated and the detected vertex of each point; -1 if unknown."""
    gt_uv = np.stack([annotation["dp_U"], annotation["dp_V"]], axis=1).astype(np.float64)
    truth = charts.vertices(np.asarray(annotation["dp_I"]).astype(np.int64), gt_uv)
    if detection.uv is None:
        return truth, np.full(len(truth), -1, np.int64)
    labels = np.where(is_body, detection.labels[rows, columns], 0).astype(np.int64)
    uv = detection.uv[:, rows, columns].T / 255.0
    return truth, charts.vertices(labels, uv)


def annotated_mask(annotation: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """Return the mask of an annotation in its image `(height, width)`, bool.

    The mask is `dp_masks` if present, otherwise `segmentation`; without both it is empty.
    """
    parts = DensePoseDataRelative.extract_segmentation_mask(annotation)
    if parts is not None:
        w, h = (max(float(size), 1.0) for size in annotation["bbox"][2:])
        binary = (parts > 0).double()[None, None]
        scaled = F.interpolate(binary, size=(max(round(h), 1), max(round(w), 1)), mode="bilinear", align_corners=True)
        return paste((scaled[0, 0] > 0.5).numpy(), annotation["bbox"], height, width)
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return np.asarray(rle_to_bitmask(segmentation, max_pixels=height * width)).astype(bool)
    if segmentation:
        return np.asarray(polygons_to_bitmask(segmentation, height, width)).astype(bool)
    return np.zeros((height, width), bool)


def paste(mask: np.ndarray, bbox: Any, height: int, width: int) -> np.ndarray:
    """Return the image `(height, width)` with a mask at the truncated position of a box; cut at the image and the box.

    Args:
        mask: `(h, w)` bool.
        bbox: `(x, y, width, height)`.
        height: Height of the image.
        width: Width of the image.
    """
    x, y = int(bbox[0]), int(bbox[1])
    left, top = max(x, 0), max(y, 0)
    right = max(min(int(bbox[0] + bbox[2]), width, x + mask.shape[1]), left)
    bottom = max(min(int(bbox[1] + bbox[3]), height, y + mask.shape[0]), top)
    image = np.zeros((height, width), bool)
    image[top:bottom, left:right] = mask[top - y : bottom - y, left - x : right - x]
    return image


def mask_overlaps(first: list[np.ndarray], second: list[np.ndarray], crowd: np.ndarray) -> np.ndarray:
    """Return the overlaps `(N, M)` of masks: IoU, or for a crowd the covered fraction of the first mask."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    a, b = (torch.from_numpy(np.stack(masks).reshape(len(masks), -1)).float() for masks in (first, second))
    intersection = (a @ b.T).double().numpy()
    area_a, area_b = a.sum(1).double().numpy()[:, None], b.sum(1).double().numpy()[None]
    union = np.where(crowd[None], area_a, area_a + area_b - intersection)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def box_overlaps(first: np.ndarray, second: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return the overlaps `(N, M)` of boxes `(x, y, width, height)`, as `mask_overlaps`."""
    start = np.maximum(first[:, None, :2], second[None, :, :2])
    end = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    intersection = np.clip(end - start, 0, None).prod(2)
    area_a, area_b = first[:, 2:].prod(1)[:, None], second[:, 2:].prod(1)[None]
    union = np.where(crowd[None], area_a, area_a + area_b - intersection)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
