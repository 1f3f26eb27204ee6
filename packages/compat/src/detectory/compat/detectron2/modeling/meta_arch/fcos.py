"""FCOS under Detectron2's module path."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectory.compat.detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectory.modeling import meta_arch as native
from detectory.structures import Boxes, Instances

__all__ = ["FCOS", "DenseDetector", "FCOSHead"]


class FCOSHead(native.FCOSHead):
    """`detectory.modeling.meta_arch.FCOSHead` that can also be built from the settings of RetinaNet's head."""

    __init__ = configurable(native.FCOSHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.RETINANET`; the number of anchors is always 1."""
        arguments = RetinaNetHead.from_config(cfg, input_shape)
        del arguments["num_anchors"]
        return arguments


class FCOS(DenseDetector, native.FCOS):
    """`detectory.modeling.meta_arch.FCOS` in Detectron2's steps, which subclasses may replace."""

    @torch.no_grad()
    def _match_anchors(self, gt_boxes: Boxes, anchors: Sequence[Boxes]) -> Tensor:
        """Return match qualities `(M, R)`: 0 without a match, otherwise larger for smaller objects."""
        return self._match_quality(gt_boxes, anchors)

    @torch.no_grad()
    def match_anchors(self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]) -> list[Tensor]:
        """Return for each image the index of the object of each location `(R,)`, -1 for background."""
        matches = []
        for targets in gt_instances:
            if len(targets) == 0:
                matches.append(anchors[0].tensor.new_full((sum(map(len, anchors)),), -1, dtype=torch.int64))
                continue
            quality, best = self._match_anchors(targets.gt_boxes, anchors).max(dim=0)
            matches.append(best.masked_fill(quality <= 0, -1))
        return matches

    @torch.no_grad()
    def label_anchors(
        self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Assign the locations of each image to its objects; see `detectory.modeling.meta_arch.FCOS`."""
        labels, boxes = [], []
        for targets, matches in zip(gt_instances, self.match_anchors(anchors, gt_instances), strict=True):
            if len(targets) == 0:
                labels.append(torch.full_like(matches, self.num_classes))
                boxes.append(anchors[0].tensor.new_zeros((len(matches), 4)))
                continue
            index = matches.clamp(min=0)
            labels.append(targets.gt_classes[index].masked_fill(matches < 0, self.num_classes))
            boxes.append(targets.gt_boxes.tensor[index])
        return labels, boxes

    def _detect(
        self,
        anchors: Sequence[Boxes],
        scores: Sequence[Tensor],
        deltas: Sequence[Tensor],
        image_size: tuple[int, int],
        score_factors: Sequence[Tensor] | None = None,
    ) -> Instances:
        if score_factors is not None:  # not in Detectron2
            return super()._detect(anchors, scores, deltas, image_size, score_factors)
        return self.inference_single_image(anchors, scores, deltas, image_size)

    def inference_single_image(
        self,
        anchors: Sequence[Boxes],
        box_cls: Sequence[Tensor],
        box_delta: Sequence[Tensor],
        image_size: tuple[int, int],
    ) -> Instances:
        """Return the detections of one image from the scores `(H * W, K)` and deltas `(H * W, 4)` of each level."""
        return super()._detect(anchors, box_cls, box_delta, image_size)
