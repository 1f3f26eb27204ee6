"""Dense detectors that replace decoding, losses and labels: a RetinaNet and an FCOS subclass."""

import os
import sys

import torch
from detectron2 import model_zoo
from detectron2.config import instantiate
from detectron2.engine import DefaultTrainer, default_setup
from detectron2.layers import batched_nms, cat
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.meta_arch.fcos import FCOS
from detectron2.modeling.meta_arch.retinanet import RetinaNet, RetinaNetHead, permute_to_N_HWA_K
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage, get_event_storage
from fvcore.nn import sigmoid_focal_loss_jit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


class Head(RetinaNetHead):
    def forward(self, features):
        logits, deltas = super().forward(features)
        assert permute_to_N_HWA_K(logits[0], 1).shape[-1] == 1
        return logits, deltas


@META_ARCH_REGISTRY.register()
class OwnRetinaNet(RetinaNet):
    @classmethod
    def from_config(cls, cfg):
        found = super().from_config(cfg)
        shapes = found["backbone"].output_shape()
        return {**found, "head": Head(cfg, [shapes[f] for f in cfg.MODEL.RETINANET.IN_FEATURES])}

    def forward_training(self, images, features, predictions, gt_instances):
        logits, deltas = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        anchors = self.anchor_generator(features)
        gt_labels, gt_boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, gt_labels, deltas, gt_boxes)

    @torch.no_grad()
    def label_anchors(self, anchors, gt_instances):
        labels, boxes = super().label_anchors(anchors, gt_instances)
        quality = pairwise_iou(gt_instances[0].gt_boxes, Boxes.cat(anchors))
        assert quality.shape[1] == len(labels[0])
        return labels, boxes

    def losses(self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        labels = torch.stack(gt_labels)
        valid = labels >= 0
        positive = valid & (labels != self.num_classes)
        normalizer = self._ema_update("loss_normalizer", max(positive.sum().item(), 1), 100)
        targets = torch.nn.functional.one_hot(labels[valid], self.num_classes + 1)[:, :-1]
        logits = cat(pred_logits, dim=1)[valid]
        loss = sigmoid_focal_loss_jit(logits, targets.to(logits.dtype), alpha=0.25, gamma=2.0, reduction="sum")
        get_event_storage().put_scalar("normalizer", normalizer)
        return {"loss_cls": loss / normalizer, "loss_box_reg": 0 * cat(pred_anchor_deltas, dim=1).sum()}

    def inference_single_image(self, anchors, box_cls, box_delta, image_size):
        pred = self._decode_multi_level_predictions(
            anchors, box_cls, box_delta, self.test_score_thresh, self.test_topk_candidates, image_size
        )
        keep = batched_nms(pred.pred_boxes.tensor, pred.scores, pred.pred_classes, self.test_nms_thresh)
        return pred[keep[: self.max_detections_per_image]]

    def _decode_per_level_predictions(
        self, anchors, pred_scores, pred_deltas, score_thresh, topk_candidates, image_size
    ):
        found = super()._decode_per_level_predictions(
            anchors, pred_scores, pred_deltas, score_thresh, topk_candidates, image_size
        )
        found.level_size = torch.full((len(found),), len(anchors))
        return found


class OwnFCOS(FCOS):
    def _match_anchors(self, gt_boxes, anchors):
        quality = super()._match_anchors(gt_boxes, anchors)
        self.matched = self.__dict__.get("matched", 0) + int((quality > 0).sum())
        return quality

    def inference_single_image(self, anchors, box_cls, box_delta, image_size):
        found = super().inference_single_image(anchors, box_cls, box_delta, image_size)
        found.source = torch.zeros(len(found))
        return found


def main(args):
    register(args.root)
    cfg = small_config(args.root, "COCO-Detection/retinanet_R_50_FPN_1x.yaml")
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.RETINANET.NUM_CLASSES = "OwnRetinaNet", 1
    cfg.MODEL.RETINANET.SCORE_THRESH_TEST, cfg.SOLVER.MAX_ITER = 0.0, 1
    default_setup(cfg, args)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    assert trainer.storage.latest()["normalizer"][0] < 100
    output = trainer.model.eval()([{"image": torch.zeros(3, 64, 96)}])[0]["instances"]
    assert output.has("level_size")
    lazy = model_zoo.get_config("COCO-Detection/fcos_R_50_FPN_1x.py").model
    lazy._target_, lazy.num_classes, lazy.test_score_thresh = OwnFCOS, 1, 0.0
    model = instantiate(lazy)
    target = Instances((64, 96), gt_boxes=Boxes([[8.0, 8, 60, 40]]), gt_classes=torch.tensor([0]))
    with EventStorage():
        losses = model([{"image": torch.zeros(3, 64, 96), "instances": target}])
    assert losses.keys() == {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"}
    assert model.matched > 0
    assert model.eval()([{"image": torch.zeros(3, 64, 96)}])[0]["instances"].has("source")


if __name__ == "__main__":
    start(main)
