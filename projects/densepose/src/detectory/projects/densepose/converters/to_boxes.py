"""Predictor outputs at the size of the boxes: segmentations, charts and masks.

A box counts with integer position and size, both truncated, and has at least one pixel.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.projects.densepose.structures import (
    DensePoseChartPredictorOutput,
    DensePoseChartResult,
    DensePoseChartResultWithConfidences,
    DensePoseEmbeddingPredictorOutput,
)
from detectory.projects.densepose.structures.predictor_output import CONFIDENCE_FIELDS
from detectory.structures import BitMasks, Boxes

IntBox = tuple[int, int, int, int]


def integer_box(box: Any) -> IntBox:
    """Return a box as integers `(x, y, width, height)`.

    Args:
        box: One box `(x1, y1, x2, y2)` as `Boxes`, tensor or sequence.
    """
    values = torch.as_tensor(box.tensor if isinstance(box, Boxes) else box).reshape(-1)
    if values.numel() != 4:
        raise ValueError(f"integer_box: expected one box, got shape {tuple(values.shape)}")
    x1, y1, x2, y2 = values.tolist()
    return int(x1), int(y1), max(int(x2 - x1), 1), max(int(y2 - y1), 1)


def resize(maps: Tensor, box: IntBox) -> Tensor:
    """Return maps `(1, C, S, S)` at the size of a box, `(C, height, width)`."""
    return F.interpolate(maps, size=(box[3], box[2]), mode="bilinear", align_corners=False)[0]


def _single(output: Any) -> None:
    if len(output) != 1:
        raise ValueError(f"the predictor output must contain one region, got {len(output)}. Select it with output[i]")


def chart_labels(output: Any, box: IntBox) -> Tensor:
    """Return the chart of each pixel of a box `(height, width)`, int64; 0 for background.

    Args:
        output: `DensePoseChartPredictorOutput` of one region.
        box: The box of the region.
    """
    foreground = resize(output.coarse_segm, box).argmax(0) > 0
    return resize(output.fine_segm, box).argmax(0) * foreground


def foreground_labels(output: Any, box: IntBox) -> Tensor:
    """Return positive labels `(height, width)` where a pixel of a box belongs to the object, otherwise 0.

    Args:
        output: Output of one region, of a predictor of charts or of embeddings.
        box: The box of the region.

    Raises:
        TypeError: If the class of `output` is unknown.
    """
    if isinstance(output, DensePoseChartPredictorOutput):
        return chart_labels(output, box)
    if isinstance(output, DensePoseEmbeddingPredictorOutput):
        return resize(output.coarse_segm, box).argmax(0)
    raise TypeError(f"foreground_labels: output must be a predictor output, got {type(output).__name__}")


def to_chart_result(output: DensePoseChartPredictorOutput, box: Any) -> DensePoseChartResult:
    """Return the charts of one region at the size of its box.

    Args:
        output: Output of one region.
        box: The box of the region `(x1, y1, x2, y2)`.
    """
    _single(output)
    whole = integer_box(box)
    labels = chart_labels(output, whole)
    return DensePoseChartResult(labels, torch.stack([_of_chart(maps, labels, whole) for maps in (output.u, output.v)]))


def to_chart_result_with_confidences(output: Any, box: Any) -> DensePoseChartResultWithConfidences:
    """Return the charts of one region with confidences at the size of its box.

    Args:
        output: Output of one region with the fields `CONFIDENCE_FIELDS`.
        box: The box of the region `(x1, y1, x2, y2)`.
    """
    result, whole, confidences = to_chart_result(output, box), integer_box(box), {}
    for name in CONFIDENCE_FIELDS:
        maps = getattr(output, name)
        if maps is not None:
            one_channel = maps.shape[1] == 1
            confidences[name] = resize(maps, whole)[0] if one_channel else _of_chart(maps, result.labels, whole)
    return DensePoseChartResultWithConfidences(result.labels, result.uv, **confidences)


def _of_chart(maps: Tensor, labels: Tensor, box: IntBox) -> Tensor:
    """Return the values of the channel of each pixel's chart `(height, width)`; 0 in the background."""
    values = resize(maps, box).gather(0, labels[None])[0]
    return values * (labels > 0)


def to_masks(output: Any, boxes: Boxes, image_size_hw: tuple[int, int]) -> BitMasks:
    """Return the foreground of all regions in the image.

    Args:
        output: Output of `N` regions, of a predictor of charts or of embeddings.
        boxes: The boxes of the regions; parts outside the image are cut.
        image_size_hw: `(height, width)` of the image.
    """
    height, width = image_size_hw
    masks = torch.zeros((len(boxes), height, width), dtype=torch.bool, device=boxes.device)
    for index in range(len(boxes)):
        x, y, w, h = integer_box(boxes.tensor[index])
        labels = foreground_labels(output[index], (x, y, w, h)) > 0
        left, top = max(x, 0), max(y, 0)
        right, bottom = max(min(x + w, width), left), max(min(y + h, height), top)
        masks[index, top:bottom, left:right] = labels[top - y : bottom - y, left - x : right - x]
    return BitMasks(masks)
