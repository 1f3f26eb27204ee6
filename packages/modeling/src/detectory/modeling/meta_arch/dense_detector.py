"""What one-stage detectors share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.backbone import Backbone
from detectory.modeling.postprocessing import detector_postprocess
from detectory.modeling.proposal_generator.rpn import flatten_cells
from detectory.ops import batched_nms
from detectory.structures import Boxes, ImageList, Instances

from .image_input import ImageNormalizer, ModelInput, output_size


class DenseDetector(ImageNormalizer):
    """A backbone and a head that predicts on every cell of every level.

    Args:
        backbone: Maps images to feature maps.
        head: Maps a list of levels to lists of predictions.
        head_in_features: Names of the levels; `None` for all outputs of the backbone.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        *,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.head = head
        self.box2box_transform: Any
        self.test_score_thresh: float
        self.test_topk_candidates: int
        self.test_nms_thresh: float
        self.max_detections_per_image: int
        self.loss_normalizer: float
        if head_in_features is None:
            shapes = backbone.output_shape()
            self.head_in_features = sorted(shapes, key=lambda name: shapes[name].stride)
        else:
            self.head_in_features = list(head_in_features)

    def forward(self, batched_inputs: ModelInput) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or detect in, a batch.

        Args:
            batched_inputs: One dictionary an image: `"image"` `(C, H, W)`; `"instances"` in training;
                `"height"` and `"width"` of the wanted result.

        Returns:
            Losses by name in training; else for every image `{"instances": Instances}` with `pred_boxes`,
            `scores` and `pred_classes`.
        """
        images = self.preprocess_image(batched_inputs)
        maps = self.backbone(images.tensor)
        features = [maps[name] for name in self.head_in_features]
        predictions = self.head(features)
        if self.training:
            truth = self._ground_truth(batched_inputs)
            if truth is None:
                raise ValueError(f"{type(self).__name__}: inputs need 'instances' in training")
            return self.forward_training(images, features, predictions, truth)
        results = self.forward_inference(images, features, predictions)
        return [
            {"instances": detector_postprocess(found, *output_size(item, size))}
            for found, item, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]

    @abstractmethod
    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses of the head's predictions."""

    @abstractmethod
    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of every image from the head's predictions."""

    @staticmethod
    def _flatten(predictions: Sequence[Sequence[Tensor]], numbers: Sequence[int]) -> list[list[Tensor]]:
        """Bring each kind of prediction from `(B, A * n, H, W)` to `(B, H * W * A, n)` on every level."""
        return [
            [flatten_cells(level, number) for level in kind] for kind, number in zip(predictions, numbers, strict=True)
        ]

    def running_state(self) -> dict[str, float]:
        """Return the running mean that an exact resume needs.

        The state dict is that of Detectron2, which forgets it; `detectory.engine`'s trainer saves it beside the model.
        """
        return {"loss_normalizer": self.loss_normalizer}

    def load_running_state(self, state: dict[str, float]) -> None:
        """Continue from a state that `running_state` returned."""
        self.loss_normalizer = float(state["loss_normalizer"])

    def _normalizer(self, positive: Tensor) -> float:
        """Count the positive anchors of a batch `(B, R)` into their running mean, and return it.

        A single odd batch cannot move the mean far.
        """
        self.loss_normalizer = 0.9 * self.loss_normalizer + 0.1 * max(self._positive_count(positive), 1)
        return self.loss_normalizer

    def _positive_count(self, positive: Tensor) -> int:
        """Count positive anchors of a batch `(B, R)` and log their mean number an image."""
        count = int(positive.sum())
        if has_event_storage():
            get_event_storage().put_scalar("num_pos_anchors", count / len(positive))
        return count

    def _detect(
        self, anchors: Sequence[Boxes], scores: Sequence[Tensor], deltas: Sequence[Tensor], image_size: tuple[int, int]
    ) -> Instances:
        """Detect in one image.

        Args:
            anchors: Boxes of every level.
            scores: Probabilities `(H * W * A, K)` of every level.
            deltas: `(H * W * A, 4)` of every level.
            image_size: `(height, width)`.
        """
        levels = [self._decode(*level) for level in zip(anchors, scores, deltas, strict=True)]
        boxes, confidence, classes = (torch.cat(parts) for parts in zip(*levels, strict=True))
        keep = batched_nms(boxes, confidence, classes, self.test_nms_thresh)[: self.max_detections_per_image]
        return Instances(image_size, pred_boxes=Boxes(boxes[keep]), scores=confidence[keep], pred_classes=classes[keep])

    def _decode(self, anchors: Boxes, scores: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, scores and classes of the best candidates of one level above the threshold."""
        anchor, label = (scores > self.test_score_thresh).nonzero(as_tuple=True)
        confidence = scores[anchor, label]
        confidence, order = confidence.topk(min(confidence.shape[0], self.test_topk_candidates))
        anchor, label = anchor[order], label[order]
        boxes = self.box2box_transform.apply_deltas(deltas[anchor], anchors.tensor[anchor])
        return boxes, confidence, label
