"""A proposal generator subclass, its head, an anchor generator and box heads, all registered by name."""

import os
import sys

import torch
from detectron2.config import CfgNode as CN
from detectron2.config import configurable
from detectron2.engine import DefaultTrainer, default_setup
from detectron2.layers import Conv2d, ShapeSpec, cat, get_norm
from detectron2.modeling import ANCHOR_GENERATOR_REGISTRY, PROPOSAL_GENERATOR_REGISTRY, ROI_BOX_HEAD_REGISTRY
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.proposal_generator.rpn import RPN, RPN_HEAD_REGISTRY, StandardRPNHead
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, FastRCNNOutputLayers, StandardROIHeads
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


@ANCHOR_GENERATOR_REGISTRY.register()
class Shifted(DefaultAnchorGenerator):
    def _grid_anchors(self, grid_sizes):
        return [anchors + 0.5 for anchors in super()._grid_anchors(grid_sizes)]


@RPN_HEAD_REGISTRY.register()
class DeepHead(StandardRPNHead):
    @configurable
    def __init__(self, *, depth, **kwargs):
        super().__init__(**kwargs)
        self.extra = torch.nn.Sequential(*[torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(depth)])

    @classmethod
    def from_config(cls, cfg, input_shape):
        return {**super().from_config(cfg, input_shape), "depth": cfg.MODEL.DEEP.DEPTH}

    def forward(self, features):
        return super().forward([self.extra(x) for x in features])


@PROPOSAL_GENERATOR_REGISTRY.register()
class WeightedRPN(RPN):
    @configurable
    def __init__(self, *, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    @classmethod
    def from_config(cls, cfg, input_shape):
        return {**super().from_config(cfg, input_shape), "weight": cfg.MODEL.DEEP.WEIGHT}

    def forward(self, images: ImageList, features, gt_instances=None):
        features = [features[f] for f in self.in_features]
        anchors = self.anchor_generator(features)
        logits, deltas = self.rpn_head(features)
        logits = [score.permute(0, 2, 3, 1).flatten(1) for score in logits]
        deltas = [
            x.view(x.shape[0], -1, self.anchor_generator.box_dim, x.shape[-2], x.shape[-1])
            .permute(0, 3, 4, 1, 2)
            .flatten(1, -2)
            for x in deltas
        ]
        losses = {}
        if self.training:
            gt_labels, gt_boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, gt_labels, deltas, gt_boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    def losses(self, anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        assert Boxes.cat(anchors).tensor.shape[0] == cat(pred_objectness_logits, dim=1).shape[1]
        found = super().losses(anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes)
        get_event_storage().put_scalar("rpn_weight", self.weight)
        return {name: loss * self.weight for name, loss in found.items()}


@ROI_BOX_HEAD_REGISTRY.register()
class TinyBoxHead(torch.nn.Module):
    def __init__(self, cfg, input_shape: ShapeSpec):
        super().__init__()
        self.conv = Conv2d(input_shape.channels, 8, 3, norm=get_norm("BN", 8), activation=torch.nn.functional.relu)

    def forward(self, x):
        return self.conv(x).mean(dim=(2, 3))

    @property
    def output_shape(self):
        return ShapeSpec(channels=8)


class SmoothLayers(FastRCNNOutputLayers):
    def losses(self, predictions, proposals):
        found = super().losses(predictions, proposals)
        found["loss_cls"] = found["loss_cls"] + 0 * predictions[0].sum()
        return found

    def inference(self, predictions, proposals):
        boxes = self.predict_boxes(predictions, proposals)
        scores = self.predict_probs(predictions, proposals)
        assert len(boxes) == len(scores) == len(proposals)
        return super().inference(predictions, proposals)


@ROI_HEADS_REGISTRY.register()
class SmoothHeads(StandardROIHeads):
    @classmethod
    def _init_box_head(cls, cfg, input_shape):
        found = super()._init_box_head(cfg, input_shape)
        found["box_predictor"] = SmoothLayers(cfg, found["box_head"].output_shape)
        return found

    def _forward_box(self, features, proposals):
        features = [features[f] for f in self.box_in_features]
        pooled = self.box_head(self.box_pooler(features, [x.proposal_boxes for x in proposals]))
        predictions = self.box_predictor(pooled)
        if self.training:
            losses = self.box_predictor.losses(predictions, proposals)
            if self.train_on_pred_boxes:
                raise AssertionError("not configured")
            return losses
        instances, _ = self.box_predictor.inference(predictions, proposals)
        return instances

    def _sample_proposals(self, matched_idxs, matched_labels, gt_classes):
        sampled, classes = super()._sample_proposals(matched_idxs, matched_labels, gt_classes)
        assert len(sampled) == len(classes)
        return sampled, classes


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    cfg.MODEL.DEEP = CN({"DEPTH": 2, "WEIGHT": 0.25})
    cfg.MODEL.PROPOSAL_GENERATOR.NAME, cfg.MODEL.RPN.HEAD_NAME = "WeightedRPN", "DeepHead"
    cfg.MODEL.ANCHOR_GENERATOR.NAME, cfg.MODEL.ROI_HEADS.NAME = "Shifted", "SmoothHeads"
    cfg.MODEL.ROI_BOX_HEAD.NAME = "TinyBoxHead"
    cfg.SOLVER.BASE_LR, cfg.TEST.EVAL_PERIOD = 1e-6, 0
    default_setup(cfg, args)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    assert trainer.storage.latest()["rpn_weight"][0] == 0.25
    output = trainer.model.eval()([{"image": torch.zeros(3, 64, 96), "height": 32, "width": 48}])[0]["instances"]
    assert isinstance(output, Instances)
    assert output.image_size == (32, 48)


if __name__ == "__main__":
    start(main)
