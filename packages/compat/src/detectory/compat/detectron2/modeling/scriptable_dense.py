"""Scriptable inference-only equivalent of RetinaNet."""

import torch
from torch import Tensor, nn

from detectory.compat.detectron2.layers.nms import batched_nms
from detectory.compat.detectron2.modeling.scriptable import normalized_batch, transform_parameters
from detectory.modeling import meta_arch
from detectory.modeling.box_regression import decode_boxes
from detectory.modeling.layers import fast_layout
from detectory.modeling.proposal_generator.rpn import flatten_cells
from detectory.structures import Boxes, Instances

__all__ = ["ScriptableRetinaNet", "ScriptableRetinaNetHead"]


class ScriptableRetinaNetHead(nn.Module):
    """Logits and deltas of a `RetinaNetHead`."""

    def __init__(self, head: meta_arch.RetinaNetHead) -> None:
        super().__init__()
        self.cls_subnet, self.bbox_subnet = head.cls_subnet, head.bbox_subnet
        self.cls_score, self.bbox_pred = head.cls_score, head.bbox_pred

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return logits and deltas of every level."""
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        deltas = [self.bbox_pred(self.bbox_subnet(x)) for x in features]
        return logits, deltas


class ScriptableRetinaNet(nn.Module):
    """Detections of a `RetinaNet`, at the resolution of its input."""

    def __init__(self, model: meta_arch.RetinaNet) -> None:
        super().__init__()
        if model.backbone.padding_constraints.get("square_size", 0):
            raise TypeError("RetinaNet: scripting needs a backbone without square padding")
        self.backbone, self.head, self.anchor_generator = model.backbone, model.head, model.anchor_generator
        self.in_features = list(model.head_in_features)
        self.num_classes = int(model.num_classes)
        self.weights, self.scale_clamp = transform_parameters(model.box2box_transform, "RetinaNet")
        self.score_thresh, self.nms_thresh = float(model.test_score_thresh), float(model.test_nms_thresh)
        self.candidates, self.detections = int(model.test_topk_candidates), int(model.max_detections_per_image)
        self.divisibility = int(model.backbone.size_divisibility)
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", model.pixel_mean, False)
        self.register_buffer("pixel_std", model.pixel_std, False)

    def forward(self, batched_inputs: list[dict[str, Tensor]]) -> list[Instances]:
        """Return the detections of every image; rescaling to the original size is left to the caller."""
        images = normalized_batch(batched_inputs, self.pixel_mean, self.pixel_std, self.divisibility)
        maps = self.backbone(fast_layout(images.tensor))
        features = [maps[name] for name in self.in_features]
        anchors = self.anchor_generator(features)
        logits, deltas = self.head(features)
        results: list[Instances] = []
        for number, image_size in enumerate(images.image_sizes):
            boxes: list[Tensor] = []
            scores: list[Tensor] = []
            labels: list[Tensor] = []
            for i in range(len(features)):
                confidence = flatten_cells(logits[i][number : number + 1], self.num_classes)[0].sigmoid()
                moves = flatten_cells(deltas[i][number : number + 1], 4)[0]
                box, score, label = self._candidates(anchors[i].tensor, confidence, moves)
                boxes.append(box)
                scores.append(score)
                labels.append(label)
            results.append(self._best(torch.cat(boxes), torch.cat(scores), torch.cat(labels), image_size))
        return results

    def _candidates(self, anchors: Tensor, confidence: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        entries = (confidence > self.score_thresh).nonzero()
        anchor, label = entries[:, 0], entries[:, 1]
        score, order = confidence[anchor, label].topk(min(anchor.shape[0], self.candidates))
        anchor, label = anchor[order], label[order]
        return decode_boxes(deltas[anchor], anchors[anchor], self.weights, self.scale_clamp), score, label

    def _best(self, boxes: Tensor, scores: Tensor, labels: Tensor, image_size: tuple[int, int]) -> Instances:
        keep = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections]
        return Instances(image_size, pred_boxes=Boxes(boxes[keep]), scores=scores[keep], pred_classes=labels[keep])
