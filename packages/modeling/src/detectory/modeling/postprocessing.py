"""Rescaling of model outputs to the original image size."""

from torch import Tensor
from torch.nn import functional as F

from detectory.structures import Instances, ROIMasks


def detector_postprocess(
    results: Instances, output_height: int, output_width: int, mask_threshold: float = 0.5, clip: bool = True
) -> Instances:
    """Rescale the detections of one image from the model's input size to the requested output size.

    Boxes are scaled and clipped to the image, detections with an empty box are removed, mask probabilities inside the
    boxes (`pred_masks`) are pasted into the image and binarized, and keypoints are scaled.

    Args:
        results: Detections in an image of size `results.image_size`, with `pred_boxes` or `proposal_boxes`. Not
            modified.
        output_height: Height of the output in pixels.
        output_width: Width of the output in pixels.
        mask_threshold: Minimum probability of a mask pixel.
        clip: Whether to clip the boxes to the image.

    Returns:
        New `Instances` of size `(output_height, output_width)`; `pred_masks` is bool `(N, output_height,
        output_width)`.

    Raises:
        ValueError: If `results` have no boxes.
    """
    scale_x = output_width / results.image_size[1]
    scale_y = output_height / results.image_size[0]
    scaled = Instances((output_height, output_width), **results.get_fields())
    name = "pred_boxes" if scaled.has("pred_boxes") else "proposal_boxes"
    if not scaled.has(name):
        raise ValueError(
            f"detector_postprocess: results must have pred_boxes or proposal_boxes, got {list(results.get_fields())}"
        )
    boxes = scaled.get(name).clone()
    boxes.scale(scale_x, scale_y)
    if clip:
        boxes.clip(scaled.image_size)
    scaled.set(name, boxes)
    scaled = scaled[boxes.nonempty()]
    if scaled.has("pred_masks"):
        # After the boxes have been clipped: a mask covers exactly its own box, whatever the aspect ratio of the box.
        masks = scaled.pred_masks
        masks = masks if isinstance(masks, ROIMasks) else ROIMasks(masks[:, 0])
        scaled.pred_masks = masks.to_bitmasks(scaled.get(name), output_height, output_width, mask_threshold).tensor
    if scaled.has("pred_keypoints"):
        scaled.pred_keypoints = scaled.pred_keypoints * scaled.pred_keypoints.new_tensor([scale_x, scale_y, 1.0])
    return scaled


def sem_seg_postprocess(result: Tensor, img_size: tuple[int, int], output_height: int, output_width: int) -> Tensor:
    """Remove the padding from the semantic logits of one image, and resize them bilinearly.

    Args:
        result: Logits `(K, H, W)` at the size of the padded batch.
        img_size: `(height, width)` of the image without padding.
        output_height: Height of the output in pixels.
        output_width: Width of the output in pixels.

    Returns:
        Logits `(K, output_height, output_width)`.
    """
    result = result[:, : img_size[0], : img_size[1]]
    # Equals `result[None]`, but keeps a channels-last result a channels-last batch: the strides of `result[None]` match
    # neither memory format, and `interpolate` would copy the tensor first.
    result = result.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    return F.interpolate(result, size=(output_height, output_width), mode="bilinear", align_corners=False)[0]
