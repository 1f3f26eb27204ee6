"""Mask pasting under Detectron2's module path."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detectory.ops import paste_masks
from detectory.structures import Boxes

__all__ = [
    "BYTES_PER_FLOAT",
    "GPU_MEM_LIMIT",
    "_do_paste_mask",
    "pad_masks",
    "paste_mask_in_image_old",
    "paste_masks_in_image",
    "scale_boxes",
]


def paste_masks_in_image(masks: Tensor, boxes: Tensor, image_shape: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """Paste box-aligned masks into an image.

    Args:
        masks: `(N, M, M)`, probabilities.
        boxes: `N` boxes in image coordinates, a tensor or `Boxes`; only a tensor in scripted code.
        image_shape: `(height, width)` in pixels.
        threshold: Minimum value of mask pixels; if negative, soft masks are returned.

    Returns:
        `(N, height, width)`, bool, or uint8 in [0, 255] if `threshold` is negative.
    """
    if torch.jit.is_scripting():
        return torch.ops.detectory.paste_masks(masks, boxes, image_shape[0], image_shape[1], threshold)

    tensor = boxes.tensor if isinstance(boxes, Boxes) else boxes
    return paste_masks(masks, tensor, image_shape, threshold)


def paste_mask_in_image_old(mask: Tensor, box: Tensor, img_h: int, img_w: int, threshold: float) -> Tensor:
    """Paste one mask with Detectron 1's method: boxes are rounded and the mask is resized with Pillow.

    Args:
        mask: `(M, M)`, probabilities.
        box: `(4,)`.
        img_h: Height of the image.
        img_w: Width of the image.
        threshold: As for `paste_masks_in_image`.

    Returns:
        `(img_h, img_w)`, uint8.
    """
    x0, y0, x1, y1 = (int(value) for value in box.to(torch.int64))  # x1 and y1 are inclusive
    size = (max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1))
    resized = Image.fromarray(mask.cpu().float().numpy()).resize(size, resample=Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(resized))
    pixels = values > threshold if threshold >= 0 else values * 255
    pasted = torch.zeros(img_h, img_w, dtype=torch.uint8)
    left, right = max(x0, 0), min(x1 + 1, img_w)
    top, bottom = max(y0, 0), min(y1 + 1, img_h)
    pasted[top:bottom, left:right] = pixels[top - y0 : bottom - y0, left - x0 : right - x0].to(torch.uint8)
    return pasted


def pad_masks(masks: Tensor, padding: int) -> tuple[Tensor, float]:
    """Pad masks `(N, M, M)` with zeros; return the padded masks and the scale factor."""
    size = masks.shape[-1]
    return torch.nn.functional.pad(masks, (padding,) * 4), float(size + 2 * padding) / size


def scale_boxes(boxes: Tensor, scale: float) -> Tensor:
    """Scale boxes `(N, 4)` about their centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    return torch.cat([centre - half, centre + half], dim=1)


BYTES_PER_FLOAT = 4
GPU_MEM_LIMIT = 1024**3  # bytes that Detectron2 uses for pasting on a GPU; pasting here needs no such limit


def _do_paste_mask(
    masks: Tensor, boxes: Tensor, img_h: int, img_w: int, skip_empty: bool = True
) -> tuple[Tensor, tuple[slice, slice] | tuple[()]]:
    """Paste masks `(N, 1, M, M)` without a threshold.

    Args:
        masks: Probabilities.
        boxes: `(N, 4)`.
        img_h: Height of the image.
        img_w: Width of the image.
        skip_empty: Return only the area that all boxes cover, and its slices.

    Returns:
        Probabilities `(N, h, w)`, and the slices of the image that they cover; empty without `skip_empty`.
    """
    soft = paste_masks_in_image(masks[:, 0], boxes, (img_h, img_w), threshold=-1).float() / 255
    if not skip_empty or len(boxes) == 0:
        return soft, ()
    x0, y0 = (boxes[:, :2].amin(dim=0).floor().clamp(min=1) - 1).int().tolist()
    x1, y1 = (boxes[:, 2:].amax(dim=0).ceil() + 1).int().tolist()
    area = slice(y0, min(y1, img_h)), slice(x0, min(x1, img_w))
    return soft[:, area[0], area[1]], area
