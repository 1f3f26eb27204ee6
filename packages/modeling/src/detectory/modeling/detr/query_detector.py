"""Base class of the detectors that predict a set of objects with queries."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.meta_arch.image_input import ImageNormalizer, output_size
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Boxes, ImageList, Instances, ModelInput, ModelOutput

from .matcher import corners_of


class QueryDetector(ImageNormalizer):
    """A detector with a class and a normalized box per query and decoder layer, without anchors and NMS."""

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or detections (inference) of a batch.

        Args:
            batched_inputs: One dictionary per image: `"image"` `(C, H, W)`; `"instances"` with the ground truth, in
                training; optionally `"height"` and `"width"` of the output.

        Returns:
            In training, the losses by name. In inference, `{"instances": Instances}` for each image, with `pred_boxes`,
            `scores` and `pred_classes`.

        Raises:
            ValueError: If `"instances"` are missing in training.
        """
        images = self.preprocess_image(batched_inputs)
        predictions = self.predict(images)
        if self.training:
            return self.losses(predictions, self._training_targets(batched_inputs))
        logits, boxes = predictions[:2]
        results = self.inference(logits[-1], boxes[-1], images.image_sizes)
        return [
            {"instances": detector_postprocess(detections, *output_size(item, size))}
            for detections, item, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]

    @abstractmethod
    def predict(self, images: ImageList) -> Any:
        """Return the class logits `(L, B, Q, …)` and the normalized boxes `(L, B, Q, 4)` of all decoder layers.

        Further values are passed to `losses`.
        """

    @abstractmethod
    def losses(self, predictions: Any, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Return the losses of the result of `predict`."""

    @abstractmethod
    def inference(self, logits: Tensor, boxes: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        """Return the detections of each image from the predictions of the last layer."""


def corners_in_pixels(boxes: Tensor, height: int, width: int) -> Boxes:
    """Return normalized boxes `(Q, 4)` as boxes in an image, clipped to it."""
    x1, y1, x2, y2 = corners_of(boxes).unbind(dim=1)
    # Not a tensor of the four sizes, which would be a constant in a traced graph.
    corners = Boxes(torch.stack((x1 * width, y1 * height, x2 * width, y2 * height), dim=1))
    corners.clip((height, width))
    return corners
