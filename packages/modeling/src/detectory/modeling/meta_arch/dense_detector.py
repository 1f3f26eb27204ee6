"""Base class of the one-stage detectors."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.backbone import Backbone
from detectory.modeling.postprocessing import detector_postprocess
from detectory.modeling.proposal_generator.proposals import BatchedNMS
from detectory.modeling.proposal_generator.rpn import flatten_cells
from detectory.modeling.traced_sizes import at_most
from detectory.ops import batched_nms
from detectory.structures import Boxes, ImageList, Instances, ModelInput, ModelOutput

from .image_input import ImageNormalizer, output_size


class DenseDetector(ImageNormalizer):
    """A backbone and a dense head that predicts at every cell of every level.

    Args:
        backbone: Maps images to feature maps.
        head: Maps the list of feature maps to lists of predictions, one list per type of prediction.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.

    Attributes:
        loss_normalizer: Running mean of the number of positive anchors per batch; subclasses set the initial value.
        clip_before_nms: Whether boxes are clipped to the image before the NMS instead of after it, as in MMDetection
            and torchvision; False by default.
        drop_empty_boxes: Whether boxes without width or height are removed before the NMS; False by default.
    """

    # Geometry of the detections, for other pixel conventions.
    _box_class: type[Boxes] = Boxes
    _batched_nms: BatchedNMS = staticmethod(batched_nms)

    # Names of further fields of the detections, which an overridden `_decode` returns after the classes.
    _candidate_fields: tuple[str, ...] = ()

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
        self.clip_before_nms = False
        self.drop_empty_boxes = False
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
        maps = self.backbone(images.tensor)
        features = [maps[name] for name in self.head_in_features]
        predictions = self.head(features)
        if self.training:
            return self.forward_training(images, features, predictions, self._training_targets(batched_inputs))
        results = self.forward_inference(images, features, predictions)
        return [
            {"instances": self._postprocess(detections, *output_size(item, size))}
            for detections, item, size in zip(results, batched_inputs, images.image_sizes, strict=True)
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
        """Return the detections of each image, in the resolution of the model input."""

    @staticmethod
    def _flatten(predictions: Sequence[Sequence[Tensor]], num_outputs: Sequence[int]) -> list[list[Tensor]]:
        """Reorder each type of prediction from `(B, A * n, H, W)` to `(B, H * W * A, n)`, for all levels."""
        return [
            [flatten_cells(level, n) for level in levels] for levels, n in zip(predictions, num_outputs, strict=True)
        ]

    def running_state(self) -> dict[str, float]:
        """Return the state that an exact resumption needs besides the state dict.

        The state dict has only the entries of Detectron2's checkpoints, without the running loss normalizer. The
        trainer of `detectory.engine` saves this state next to the model.
        """
        return {"loss_normalizer": self.loss_normalizer}

    def load_running_state(self, state: dict[str, float]) -> None:
        """Restore the state that `running_state` returned."""
        self.loss_normalizer = float(state["loss_normalizer"])

    def _normalizer(self, positive: Tensor) -> float:
        """Update `loss_normalizer` with the number of positive anchors, and return it.

        The running mean (momentum 0.9) keeps the scale of the losses stable although the number of positives varies
        between batches.

        Args:
            positive: `(B, R)` bool, True for positive anchors.
        """
        self.loss_normalizer = 0.9 * self.loss_normalizer + 0.1 * max(self._positive_count(positive), 1)
        return self.loss_normalizer

    def _positive_count(self, positive: Tensor) -> int:
        """Return the number of positive anchors `(B, R)`, and log their mean number per image."""
        count = int(positive.sum())
        if has_event_storage():
            get_event_storage().put_scalar("num_pos_anchors", count / len(positive))
        return count

    def _detect(
        self,
        anchors: Sequence[Boxes],
        scores: Sequence[Tensor],
        deltas: Sequence[Tensor],
        image_size: tuple[int, int],
        score_factors: Sequence[Tensor] | None = None,
    ) -> Instances:
        """Return the detections of one image.

        Args:
            anchors: The anchors of each level.
            scores: Probabilities of each level, `(H * W * A, K)`.
            deltas: Deltas of each level, `(H * W * A, 4)`.
            image_size: `(height, width)`.
            score_factors: Factors of the scores of each level, `(H * W * A)`, applied after the selection of the
                candidates and before the NMS.

        Returns:
            `Instances` with `pred_boxes`, `scores` and `pred_classes`, in descending order of the scores.
        """
        factors = [None] * len(scores) if score_factors is None else score_factors
        limits = (self.test_score_thresh, self._max_candidates())
        levels = zip(anchors, scores, deltas, factors, strict=True)
        candidates = [self._decode(*level, *limits) for level in levels]
        box_tensor, all_scores, classes, *others = (torch.cat(parts) for parts in zip(*candidates, strict=True))
        boxes = self._box_class(box_tensor)
        self._clip(boxes, image_size)
        if self.drop_empty_boxes:
            solid = boxes.nonempty().nonzero().squeeze(1)
            boxes, all_scores, classes = boxes[solid], all_scores[solid], classes[solid]
            others = [other[solid] for other in others]
        keep = self._batched_nms(boxes.tensor, all_scores, classes, self.test_nms_thresh)
        keep = keep[: self.max_detections_per_image]
        detections = Instances(image_size, pred_boxes=boxes[keep], scores=all_scores[keep], pred_classes=classes[keep])
        for name, other in zip(self._candidate_fields, others, strict=True):
            detections.set(name, other[keep])
        return detections

    def _clip(self, boxes: Boxes, image_size: tuple[int, int]) -> None:
        """Clip the candidates of an image in place before the NMS, if the model does so."""
        if self.clip_before_nms:
            boxes.clip(image_size)

    def _postprocess(self, detections: Instances, height: int, width: int) -> Instances:
        """Rescale the detections of an image to the size of the output."""
        return detector_postprocess(detections, height, width)

    def _max_candidates(self) -> int:
        """Return the maximum number of candidates per level."""
        return self.test_topk_candidates

    def _decode(
        self,
        anchors: Boxes,
        scores: Tensor,
        deltas: Tensor,
        factors: Tensor | None,
        score_thresh: float,
        topk_candidates: int,
    ) -> tuple[Tensor, ...]:
        """Return the boxes, scores and classes of the best candidates of one level above the score threshold."""
        anchor, label, top_scores = best_candidates(scores, score_thresh, topk_candidates)
        boxes = self.box2box_transform.apply_deltas(deltas[anchor], anchors.tensor[anchor])
        return boxes, top_scores if factors is None else top_scores * factors[anchor], label


def best_candidates(scores: Tensor, score_thresh: float, topk_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the anchors, classes and values of the highest scores `(R, K)` above the threshold, best first."""
    # Each pair of anchor and class is a candidate. Most scores are low: the threshold makes `topk` cheap.
    anchor, label = (scores > score_thresh).nonzero(as_tuple=True)
    candidate_scores = scores[anchor, label]
    top_scores, order = candidate_scores.topk(at_most(candidate_scores.shape[0], topk_candidates))
    return anchor[order], label[order], top_scores


def targets_of_matches(
    matched: Sequence[tuple[Tensor, Tensor]], gt_instances: Sequence[Instances], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return the labels and the boxes of matched anchors.

    Args:
        matched: For each of the `B` images the index of the matched object, `(R,)`, and whether an anchor is positive,
            `(R,)` bool.
        gt_instances: `Instances` with `gt_boxes` and `gt_classes` for each image.
        num_classes: Label of the background.

    Returns:
        The labels `(B, R)`, and the matched boxes `(B, R, 4)`, meaningful only for positive anchors.
    """
    labels, boxes = [], []
    for (matches, positive), targets in zip(matched, gt_instances, strict=True):
        if len(targets):
            labels.append(targets.gt_classes[matches].masked_fill(~positive, num_classes))
            boxes.append(targets.gt_boxes.tensor[matches])
        else:
            labels.append(torch.full_like(matches, num_classes))
            boxes.append(targets.gt_boxes.tensor.new_zeros((len(matches), 4)))
    return torch.stack(labels), torch.stack(boxes)
