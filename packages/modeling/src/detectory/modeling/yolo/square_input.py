"""Dense detectors on images that are padded to squares."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.layers import fast_layout
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Boxes, ImageList, Instances, ModelInput

BOX_LIMITS = ("image", "input", "none")


class SquareInputDetector(DenseDetector):
    """A dense detector on images that are padded to squares of one color, before the normalization.

    The reference of a cell is a square of its stride, centered on the corner of the cell.

    Args:
        args: Positional arguments of `DenseDetector`.
        num_classes: Number of classes, `K`.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.
        pad_value: Value of all channels of the padding.
        pad_multiple: The side of the square is rounded up to a multiple of this, in pixels.
        box_limit: What boxes are clipped to: `"image"`; `"input"`, the padded image; or `"none"`.
        kwargs: Keyword arguments of `DenseDetector`.

    Raises:
        ValueError: If `box_limit` is unknown.
    """

    def __init__(
        self,
        *args: Any,
        num_classes: int,
        test_score_thresh: float,
        test_topk_candidates: int,
        test_nms_thresh: float,
        max_detections_per_image: int,
        input_format: str,
        pad_value: float,
        pad_multiple: int,
        box_limit: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if box_limit not in BOX_LIMITS:
            raise ValueError(
                f"{type(self).__name__}: box_limit must be one of {', '.join(BOX_LIMITS)}, got {box_limit!r}"
            )
        self.num_classes = num_classes
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.input_format = input_format
        self.pad_value = pad_value
        self.pad_multiple = pad_multiple
        self.box_limit = box_limit
        self.loss_normalizer = 1.0
        shapes = self.backbone.output_shape()
        strides = [int(shapes[name].stride or 1) for name in self.head_in_features]
        self.anchor_generator = DefaultAnchorGenerator(
            sizes=[[stride] for stride in strides], aspect_ratios=[1.0], strides=strides, offset=0.0
        )

    def preprocess_image(self, batched_inputs: Sequence[ModelInput]) -> ImageList:
        """Move images to the device, pad them to a common square and normalize them; return the batch."""
        images = ImageList.from_tensors(
            [self._pixels(item["image"]).float() for item in batched_inputs],
            pad_value=self.pad_value,
            padding_constraints={"square": 1, "size_divisibility": self.pad_multiple},
        )
        images.tensor = fast_layout((images.tensor - self.pixel_mean) / self.pixel_std)
        return images

    def _clip(self, boxes: Boxes, image_size: tuple[int, int]) -> None:
        if self.box_limit == "image":
            boxes.clip(image_size)
        elif self.box_limit == "input":
            side = self._padded_side(*image_size)
            boxes.clip((side, side))

    def _padded_side(self, height: Any, width: Any) -> Any:
        """Return the side of the square that an image is padded to, of the type of its sides."""
        side = torch.maximum(height, width) if isinstance(height, Tensor) else torch.sym_max(height, width)
        return (side + self.pad_multiple - 1) // self.pad_multiple * self.pad_multiple

    def _postprocess(self, detections: Instances, height: int, width: int) -> Instances:
        return detector_postprocess(detections, height, width, clip=self.box_limit == "image")
