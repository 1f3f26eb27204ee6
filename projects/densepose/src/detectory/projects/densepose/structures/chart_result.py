"""Charts at the size of one box: results, quantized results, and results compressed as PNG."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image


@dataclass
class DensePoseChartResult:
    """Charts of one box of `h x w` pixels.

    Attributes:
        labels: `(h, w)` int64, 0 for background, otherwise the chart, 1 to 24.
        uv: `(2, h, w)` float coordinates U and V in [0, 1]; 0 in the background.
    """

    labels: torch.Tensor
    uv: torch.Tensor

    def to(self, device: torch.device) -> "DensePoseChartResult":
        """Return a copy on a device."""
        return DensePoseChartResult(self.labels.to(device), self.uv.to(device))


@dataclass
class DensePoseChartResultWithConfidences(DensePoseChartResult):
    """Charts of one box with confidences.

    Attributes:
        sigma_1: Not used.
        sigma_2: `(h, w)` spread of U and V.
        kappa_u: `(h, w)` direction of the anisotropic spread, U component.
        kappa_v: `(h, w)` direction of the anisotropic spread, V component.
        fine_segm_confidence: `(h, w)` confidence of the chart.
        coarse_segm_confidence: `(h, w)` confidence of the foreground.
    """

    sigma_1: torch.Tensor | None = None
    sigma_2: torch.Tensor | None = None
    kappa_u: torch.Tensor | None = None
    kappa_v: torch.Tensor | None = None
    fine_segm_confidence: torch.Tensor | None = None
    coarse_segm_confidence: torch.Tensor | None = None

    def to(self, device: torch.device) -> "DensePoseChartResultWithConfidences":
        """Return a copy on a device."""
        values: dict[str, Any] = vars(self)
        return DensePoseChartResultWithConfidences(
            **{name: value.to(device) for name, value in values.items() if value is not None}
        )


@dataclass
class DensePoseChartResultQuantized:
    """Charts of one box in one byte per value.

    Attributes:
        labels_uv_uint8: `(3, h, w)` uint8: label, U * 255 and V * 255.
    """

    labels_uv_uint8: torch.Tensor

    def to(self, device: torch.device) -> "DensePoseChartResultQuantized":
        """Return a copy on a device."""
        return DensePoseChartResultQuantized(self.labels_uv_uint8.to(device))


@dataclass
class DensePoseChartResultCompressed:
    """Charts of one box as text.

    Attributes:
        shape_chw: `(3, h, w)`.
        labels_uv_str: A PNG image with label, U * 255 and V * 255 as its channels, in base64.
    """

    shape_chw: tuple[int, int, int]
    labels_uv_str: str


def quantize_densepose_chart_result(result: DensePoseChartResult) -> DensePoseChartResultQuantized:
    """Round charts down to one byte per value; values outside [0, 1] are clipped."""
    uv = (result.uv * 255).clamp(0, 255).to(torch.uint8)
    labels = result.labels.to(torch.uint8)[None]
    return DensePoseChartResultQuantized(torch.cat((labels, uv)))


def compress_quantized_densepose_chart_result(result: DensePoseChartResultQuantized) -> DensePoseChartResultCompressed:
    """Compress quantized charts as a PNG image in base64."""
    pixels = result.labels_uv_uint8.cpu().numpy().transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")
    channels, height, width = result.labels_uv_uint8.shape
    return DensePoseChartResultCompressed((channels, height, width), base64.b64encode(stream.getvalue()).decode())


def decompress_compressed_densepose_chart_result(
    result: DensePoseChartResultCompressed,
) -> DensePoseChartResultQuantized:
    """Return the quantized charts of a compressed result, without loss.

    Raises:
        ValueError: If the size of the image differs from `shape_chw`.
    """
    with Image.open(io.BytesIO(base64.b64decode(result.labels_uv_str))) as image:
        pixels = np.array(image.convert("RGB"))
    if (3, *pixels.shape[:2]) != tuple(result.shape_chw):
        raise ValueError(
            f"decompress_compressed_densepose_chart_result: the PNG image must have shape {tuple(result.shape_chw)}, "
            f"got {(3, *pixels.shape[:2])}"
        )
    return DensePoseChartResultQuantized(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
