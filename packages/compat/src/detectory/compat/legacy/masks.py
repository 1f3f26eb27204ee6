"""Pasting of masks into boxes of whole pixels."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.structures import BitMasks, Boxes, ROIMasks


class WholePixelMasks(ROIMasks):
    """Masks that are resized to boxes of whole pixels, the last pixel included.

    Takes the arguments of `ROIMasks`.
    """

    #: Pixels of zeros around each mask, which enlarge its box by the same factor.
    padding = 0

    def to_bitmasks(self, boxes: Boxes | Tensor, height: int, width: int, threshold: float = 0.5) -> BitMasks:
        """See `ROIMasks.to_bitmasks`."""
        corners = boxes.tensor if isinstance(boxes, Boxes) else boxes
        side = self.tensor.shape[-1]
        scale = (side + 2 * self.padding) / side
        centers, half = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / 2 * scale
        pixels = torch.cat((centers - half, centers + half), dim=1).to(torch.int64).tolist()  # truncated toward zero
        padded = F.pad(self.tensor.float(), (self.padding,) * 4)
        result = torch.zeros((len(pixels), height, width), dtype=torch.bool, device=self.tensor.device)
        for mask, (x1, y1, x2, y2), image in zip(padded, pixels, result, strict=True):
            size = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
            resized = F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False)[0, 0] > threshold
            top, left = max(y1, 0), max(x1, 0)
            bottom, right = min(y1 + size[0], height), min(x1 + size[1], width)
            image[top:bottom, left:right] = resized[top - y1 : bottom - y1, left - x1 : right - x1]
        return BitMasks(result)


class PaddedWholePixelMasks(WholePixelMasks):
    """`WholePixelMasks` with one pixel of zeros around each mask."""

    padding = 1


def paste_by(roi_heads: nn.Module, mask_class: type[WholePixelMasks]) -> None:
    """Return masks of `mask_class`, which `detector_postprocess` pastes, with the detections of `roi_heads`."""
    roi_heads.register_forward_hook(_MaskHook(mask_class))


class _MaskHook:
    """Forward hook of ROI heads that replaces the mask probabilities `(R, 1, S, S)` of the detections."""

    def __init__(self, mask_class: type[WholePixelMasks]) -> None:
        self.mask_class = mask_class

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not module.training:
            for detections in output[0]:
                if detections.has("pred_masks"):
                    detections.pred_masks = self.mask_class(detections.pred_masks[:, 0])
