"""Base of the one-stage detectors, with the steps that Detectron2's subclasses call and override."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detectory.compat.detectron2.data.detection_utils import convert_image_to_rgb
from detectory.compat.detectron2.modeling.meta_arch.input_device import InputDevice
from detectory.compat.detectron2.utils.events import get_event_storage
from detectory.modeling import meta_arch as native
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Boxes, Instances
from detectory.visualization import Visualizer

__all__ = ["DenseDetector", "permute_to_N_HWA_K"]


def permute_to_N_HWA_K(tensor: Tensor, K: int) -> Tensor:
    """Reshape a head's output `(B, A * K, H, W)` to `(B, H * W * A, K)`, in anchor order.

    Raises:
        ValueError: If `tensor` is not 4-D, or its channels are not divisible by `K`.
    """
    if tensor.dim() != 4 or tensor.shape[1] % K:
        raise ValueError(f"permute_to_N_HWA_K: tensor must be (B, A * {K}, H, W), got {tuple(tensor.shape)}")
    batch, _, height, width = tensor.shape
    return tensor.view(batch, -1, K, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, K)


class DenseDetector(InputDevice, native.DenseDetector):
    """`detectory.modeling.meta_arch.DenseDetector` in Detectron2's steps, which subclasses may replace."""

    def _transpose_dense_predictions(
        self, predictions: Sequence[Sequence[Tensor]], dims_per_anchor: Sequence[int]
    ) -> list[list[Tensor]]:
        """Reorder each type of prediction from `(B, A * n, H, W)` to `(B, H * W * A, n)`, for all levels.

        Args:
            predictions: For each type of prediction the maps of all levels.
            dims_per_anchor: The number `n` of each type, such as the number of classes or 4.

        Raises:
            ValueError: If the numbers of types differ.
        """
        if len(predictions) != len(dims_per_anchor):
            raise ValueError(
                f"{type(self).__name__}: the head must return {len(dims_per_anchor)} lists, got {len(predictions)}"
            )
        return [
            [permute_to_N_HWA_K(level, n) for level in levels]
            for levels, n in zip(predictions, dims_per_anchor, strict=True)
        ]

    def _flatten(self, predictions: Sequence[Sequence[Tensor]], num_outputs: Sequence[int]) -> list[list[Tensor]]:  # type: ignore[override]
        return self._transpose_dense_predictions(predictions, num_outputs)

    def _ema_update(self, name: str, value: float, initial_value: float, momentum: float = 0.9) -> float:
        """Update the running mean in the attribute `name`, which starts with `initial_value`, and return it."""
        mean = getattr(self, name, initial_value) * momentum + value * (1 - momentum)
        setattr(self, name, mean)
        return mean

    def _normalizer(self, positive: Tensor) -> float:
        count = max(self._positive_count(positive), 1)
        return self._ema_update("loss_normalizer", count, self.loss_normalizer)

    def _decode_per_level_predictions(
        self,
        anchors: Boxes,
        pred_scores: Tensor,
        pred_deltas: Tensor,
        score_thresh: float,
        topk_candidates: int,
        image_size: tuple[int, int],
    ) -> Instances:
        """Return the best candidates of one level of one image, before the NMS.

        Args:
            anchors: `R` anchors.
            pred_scores: Probabilities, `(R, K)`.
            pred_deltas: Deltas, `(R, 4)`.
            score_thresh: Threshold of the scores, exclusive.
            topk_candidates: Maximum number of candidates.
            image_size: `(height, width)`.
        """
        limits = (score_thresh, topk_candidates)
        boxes, scores, classes = self._decode(anchors, pred_scores, pred_deltas, None, *limits)
        return Instances(image_size, pred_boxes=Boxes(boxes), scores=scores, pred_classes=classes)

    def _decode_multi_level_predictions(
        self,
        anchors: Sequence[Boxes],
        pred_scores: Sequence[Tensor],
        pred_deltas: Sequence[Tensor],
        score_thresh: float,
        topk_candidates: int,
        image_size: tuple[int, int],
    ) -> Instances:
        """Return the candidates of all levels of one image; see `_decode_per_level_predictions`."""
        levels = zip(anchors, pred_scores, pred_deltas, strict=True)
        return Instances.cat(
            [self._decode_per_level_predictions(*level, score_thresh, topk_candidates, image_size) for level in levels]
        )

    def _detect(
        self,
        anchors: Sequence[Boxes],
        scores: Sequence[Tensor],
        deltas: Sequence[Tensor],
        image_size: tuple[int, int],
        score_factors: Sequence[Tensor] | None = None,
    ) -> Instances:
        if score_factors is not None or self.clip_before_nms:  # not in Detectron2
            return super()._detect(anchors, scores, deltas, image_size, score_factors)
        candidates = self._decode_multi_level_predictions(
            anchors, scores, deltas, self.test_score_thresh, self.test_topk_candidates, image_size
        )
        keep = self._batched_nms(
            candidates.pred_boxes.tensor, candidates.scores, candidates.pred_classes, self.test_nms_thresh
        )
        return candidates[keep[: self.max_detections_per_image]]

    def visualize_training(self, batched_inputs: Sequence[dict[str, Any]], results: Sequence[Instances]) -> None:
        """Draw the ground truth and the best 20 detections of the first image into the event storage.

        Args:
            batched_inputs: The inputs of the iteration, with `"instances"`.
            results: The detections of each image, in the resolution of the model input.
        """
        image = convert_image_to_rgb(batched_inputs[0]["image"].permute(1, 2, 0), str(self.input_format)).astype(
            np.uint8
        )
        truth = Visualizer(image).overlay_instances(boxes=batched_inputs[0]["instances"].gt_boxes)
        best = detector_postprocess(results[0], *image.shape[:2])[:20]
        drawn = Visualizer(image).overlay_instances(boxes=best.pred_boxes.tensor.detach().cpu().numpy())
        both = np.concatenate([truth.get_image(), drawn.get_image()], axis=1)
        name = "Top: GT bounding boxes; Bottom: 20 Highest Scoring Results"
        get_event_storage().put_image(name, torch.from_numpy(both.transpose(2, 0, 1).copy()))
