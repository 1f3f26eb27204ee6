"""Pasting of masks predicted inside boxes into the image, as pixels or directly as COCO run lengths.

A mask of any resolution is stretched over its box. Pixel centres are at half-integers; values are interpolated
bilinearly and are 0 outside the mask, as in `torch.nn.functional.grid_sample` with `align_corners=False`. Values are
computed in float32 for any input dtype.
"""

import torch

from detectory.ops._checks.arguments import check_same_device, check_tensor
from detectory.ops._library import ops
from detectory.ops._rle_tensors import RLE, rle_dicts


def paste_masks(
    masks: torch.Tensor, boxes: torch.Tensor, image_shape: tuple[int, int], threshold: float = 0.5
) -> torch.Tensor:
    """Paste masks into canvases of the image size.

    Args:
        masks: (N, h, w) of any real dtype, values in [0, 1].
        boxes: (N, 4) `(x1, y1, x2, y2)` in image coordinates, floating, same device. The mask is empty if a
            box has zero width or height, or a non-finite coordinate.
        image_shape: Height and width of the image.
        threshold: Pixels with at least this value are set; if negative, the values themselves are returned.

    Returns:
        (N, H, W) bool; for a negative threshold uint8, 255 times the value, truncated.

    Raises:
        TypeError: If an argument is not a tensor of a valid dtype.
        ValueError: If shapes do not match, the devices differ, or the image size is negative.

    Example:
        >>> boxes = torch.tensor([[1.0, 1.0, 3.0, 3.0]])
        >>> paste_masks(torch.ones(1, 28, 28), boxes, (4, 4))[0].int().tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3.1 (the mask is resized to the box and binarised).
    """
    height, width = _checked("paste_masks", masks, boxes, image_shape)
    return ops.paste_masks(masks, boxes, height, width, threshold)


def roi_masks_to_rle(
    masks: torch.Tensor, boxes: torch.Tensor, image_shape: tuple[int, int], threshold: float = 0.5
) -> list[RLE]:
    """Encode masks as COCO run lengths of the whole image, without creating an image-sized canvas.

    The result is identical to `rle_encode(paste_masks(masks, boxes, image_shape, threshold))`; time and memory depend
    on the sizes of the boxes, not of the image.

    Args:
        masks: (N, h, w) as for `paste_masks`. CUDA masks are copied to the CPU first, which synchronises
            with the device once.
        boxes: (N, 4) as for `paste_masks`.
        image_shape: Height and width of the image, fewer than 2^31 pixels.
        threshold: Pixels with at least this value are set; must not be negative.

    Returns:
        N COCO dicts `{"size": [H, W], "counts": bytes}`.

    Raises:
        TypeError: If an argument is not a tensor of a valid dtype.
        ValueError: If shapes do not match, the devices differ, or the threshold or the image size is negative.
    """
    height, width = _checked("roi_masks_to_rle", masks, boxes, image_shape)
    if not threshold >= 0:
        raise ValueError(f"roi_masks_to_rle: threshold must not be negative, got {threshold}")
    if height * width >= 2**31:
        raise ValueError(f"roi_masks_to_rle: image_shape must have fewer than 2^31 pixels, got {(height, width)}")
    counts, offsets = ops.roi_masks_to_rle(masks.cpu(), boxes.cpu(), height, width, threshold)
    return rle_dicts(counts, offsets, [(height, width)] * len(masks))


def _checked(function: str, masks: torch.Tensor, boxes: torch.Tensor, image_shape: tuple[int, int]) -> tuple[int, int]:
    check_tensor(function, "masks", masks, "(N, h, w)", "real")
    check_tensor(function, "boxes", boxes, "(N, 4)")
    check_same_device(function, "masks", masks, "boxes", boxes)
    if masks.shape[0] != boxes.shape[0]:
        raise ValueError(
            f"{function}: boxes must have one entry per mask, got {boxes.shape[0]} for {masks.shape[0]} masks"
        )
    if len(image_shape) != 2 or image_shape[0] < 0 or image_shape[1] < 0:
        raise ValueError(f"{function}: image_shape must be a non-negative height and width, got {tuple(image_shape)}")
    return image_shape[0], image_shape[1]


@torch.library.register_fake("detectory::paste_masks")
def _fake_paste_masks(
    masks: torch.Tensor, _boxes: torch.Tensor, height: int, width: int, threshold: float
) -> torch.Tensor:
    return masks.new_empty(masks.shape[0], height, width, dtype=torch.uint8 if threshold < 0 else torch.bool)


@torch.library.register_fake("detectory::roi_masks_to_rle")
def _fake_roi_masks_to_rle(
    masks: torch.Tensor, _boxes: torch.Tensor, _height: int, _width: int, _threshold: float
) -> tuple[torch.Tensor, torch.Tensor]:
    runs = torch.library.get_ctx().new_dynamic_size()
    return masks.new_empty(runs, dtype=torch.int32), masks.new_empty(masks.shape[0] + 1, dtype=torch.int64)


for _name in ("paste_masks", "roi_masks_to_rle"):
    for _device in ("cpu", "cuda"):
        torch.library.register_autocast(f"detectory::{_name}", _device, torch.float32)
