"""From the model's resolution to the wanted one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from detectory.structures import Instances, ROIMasks


def detector_postprocess(
    results: Instances, output_height: int, output_width: int, mask_threshold: float = 0.5
) -> Instances:
    """Scale detections from the size that the model saw to the wanted size.

    Boxes are scaled and clipped, detections without area dropped, region masks `pred_masks` pasted into the
    image and keypoints scaled.

    Args:
        results: Detections in an image of `results.image_size`; has `pred_boxes` or `proposal_boxes`.
        output_height: Height of the result in pixels.
        output_width: Width of the result in pixels.
        mask_threshold: Probability from which on a pixel belongs to a mask.

    Returns:
        New `Instances`; `pred_masks` is bool `(N, output_height, output_width)`.
    """
    scale_x = output_width / results.image_size[1]
    scale_y = output_height / results.image_size[0]
    scaled = Instances((output_height, output_width), **results.get_fields())
    name = "pred_boxes" if scaled.has("pred_boxes") else "proposal_boxes"
    if not scaled.has(name):
        raise ValueError(
            f"detector_postprocess: results need pred_boxes or proposal_boxes, got {list(results.get_fields())}"
        )
    boxes = scaled.get(name).clone()
    boxes.scale(scale_x, scale_y)
    boxes.clip(scaled.image_size)
    scaled.set(name, boxes)
    scaled = scaled[boxes.nonempty()]
    if scaled.has("pred_masks"):
        masks = scaled.pred_masks
        masks = masks if isinstance(masks, ROIMasks) else ROIMasks(masks[:, 0])
        scaled.pred_masks = masks.to_bitmasks(scaled.get(name), output_height, output_width, mask_threshold).tensor
    if scaled.has("pred_keypoints"):
        scaled.pred_keypoints = scaled.pred_keypoints * scaled.pred_keypoints.new_tensor([scale_x, scale_y, 1.0])
    return scaled


def sem_seg_postprocess(result: Tensor, img_size: tuple[int, int], output_height: int, output_width: int) -> Tensor:
    """Cut the padding off a semantic prediction and resize it.

    Args:
        result: Logits `(K, H, W)` at the size of the padded batch.
        img_size: `(height, width)` of the image inside it.
        output_height: Height of the result in pixels.
        output_width: Width of the result in pixels.

    Returns:
        Logits `(K, output_height, output_width)`, resized bilinearly.
    """
    result = result[:, : img_size[0], : img_size[1]]
    # The strides of a batch whose channels come last: `result[None]` would have others, and be copied before resizing.
    result = result.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    return F.interpolate(result, size=(output_height, output_width), mode="bilinear", align_corners=False)[0]
