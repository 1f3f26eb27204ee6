"""A registered meta-architecture, backbone, cascade heads and test-time augmentation."""

import os
import sys

import torch
from detectron2.config import CfgNode as CN
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY, Backbone, GeneralizedRCNNWithTTA, build_model
from detectron2.modeling.meta_arch.rcnn import GeneralizedRCNN
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, CascadeROIHeads
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage, get_event_storage

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import small_config


@BACKBONE_REGISTRY.register()
class TinyBackbone(Backbone):
    def __init__(self, cfg, input_shape):
        super().__init__()
        self.conv = torch.nn.Conv2d(input_shape.channels, cfg.MODEL.TINY.WIDTH, 7, stride=16, padding=3)

    def forward(self, image):
        return {"c4": self.conv(image)}

    def output_shape(self):
        return {"c4": ShapeSpec(channels=self.conv.out_channels, stride=16)}


@ROI_HEADS_REGISTRY.register()
class CountingCascade(CascadeROIHeads):
    def _run_stage(self, features, proposals, stage):
        self.stages = [*getattr(self, "stages", []), stage]
        return super()._run_stage(features, proposals, stage)

    def _create_proposals_from_boxes(self, boxes, image_sizes):
        proposals = super()._create_proposals_from_boxes(boxes, image_sizes)
        assert all(isinstance(p, Instances) for p in proposals)
        return proposals


@META_ARCH_REGISTRY.register()
class WeightedRCNN(GeneralizedRCNN):
    @configurable
    def __init__(self, *, loss_weight, **kwargs):
        super().__init__(**kwargs)
        self.loss_weight = loss_weight

    @classmethod
    def from_config(cls, cfg):
        return {**super().from_config(cfg), "loss_weight": cfg.MODEL.TINY.LOSS_WEIGHT}

    def forward(self, batched_inputs):
        outputs = super().forward(batched_inputs)
        if self.training:
            get_event_storage().put_scalar("weight", self.loss_weight)
            return {name: loss * self.loss_weight for name, loss in outputs.items()}
        return outputs


class TTA(GeneralizedRCNNWithTTA):
    def _inference_one_image(self, input):
        self.inputs, _ = self._get_augmented_inputs(dict(input))
        return super()._inference_one_image(input)


def main(root):
    cfg = small_config(root, "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml")
    cfg.MODEL.TINY = CN({"WIDTH": 8, "LOSS_WEIGHT": 0.5})
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.BACKBONE.NAME = "WeightedRCNN", "TinyBackbone"
    cfg.MODEL.ROI_HEADS.NAME = "CountingCascade"
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16, 32, 64]]
    cfg.MODEL.RPN.IN_FEATURES = cfg.MODEL.ROI_HEADS.IN_FEATURES = ["c4"]
    cfg.TEST.AUG.MIN_SIZES = (48, 64)
    model = build_model(cfg)
    instances = Instances((64, 96), gt_boxes=Boxes([[8.0, 8, 60, 40]]), gt_classes=torch.tensor([0]))
    instances.gt_masks = torch.zeros(1, 64, 96, dtype=torch.bool)
    from detectron2.structures import BitMasks

    instances.gt_masks = BitMasks(instances.gt_masks)
    with EventStorage() as storage:
        losses = model([{"image": torch.zeros(3, 64, 96), "instances": instances}])
        assert storage.latest()["weight"][0] == 0.5
    assert "loss_box_reg_stage2" in losses
    assert model.roi_heads.stages == [0, 1, 2]
    model.eval()
    tta = TTA(cfg, model)
    output = tta([{"image": torch.zeros(3, 64, 96, dtype=torch.uint8), "height": 64, "width": 96}])[0]
    assert len(tta.inputs) == 4
    assert output["instances"].image_size == (64, 96)
    print("built, trained and augmented")


if __name__ == "__main__":
    main(sys.argv[1])
