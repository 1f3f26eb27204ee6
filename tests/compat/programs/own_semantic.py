"""A semantic head, a meta-architecture with `from_config`, and a semantic dataset with its evaluator."""

import os
import sys

import numpy as np
import torch
from detectron2.config import configurable
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import DefaultTrainer, default_setup
from detectron2.evaluation import SemSegEvaluator, inference_on_dataset
from detectron2.layers import Conv2d, ShapeSpec
from detectron2.modeling import META_ARCH_REGISTRY, SEM_SEG_HEADS_REGISTRY, build_backbone, build_sem_seg_head
from detectron2.modeling.backbone import Backbone
from detectron2.modeling.postprocessing import sem_seg_postprocess
from detectron2.projects.deeplab import add_deeplab_config, build_lr_scheduler
from detectron2.structures import ImageList
from detectron2.utils import comm
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


@SEM_SEG_HEADS_REGISTRY.register()
class OneLayer(torch.nn.Module):
    @configurable
    def __init__(self, input_shape, *, num_classes, ignore_value, feature):
        super().__init__()
        self.feature, self.ignore_value, self.stride = feature, ignore_value, input_shape[feature].stride
        self.predictor = Conv2d(input_shape[feature].channels, num_classes, kernel_size=1)

    @classmethod
    def from_config(cls, cfg, input_shape):
        head = cfg.MODEL.SEM_SEG_HEAD
        shapes = {k: v for k, v in input_shape.items() if k in head.IN_FEATURES}
        assert all(isinstance(shape, ShapeSpec) for shape in shapes.values())
        return {
            "input_shape": shapes,
            "num_classes": head.NUM_CLASSES,
            "ignore_value": head.IGNORE_VALUE,
            "feature": "p2",
        }

    def forward(self, features, targets=None):
        x = torch.nn.functional.interpolate(self.predictor(features[self.feature]), scale_factor=self.stride)
        if not self.training:
            return x, {}
        loss = torch.nn.functional.cross_entropy(x.float(), targets, ignore_index=self.ignore_value)
        unused = sum(0 * feature.sum() for feature in features.values())
        return None, {"loss_sem_seg": loss + unused}


@META_ARCH_REGISTRY.register()
class Segmentor(torch.nn.Module):
    @configurable
    def __init__(self, *, backbone: Backbone, head: torch.nn.Module, pixel_mean, pixel_std):
        super().__init__()
        self.backbone, self.sem_seg_head = backbone, head
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg):
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "head": build_sem_seg_head(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    @property
    def device(self):
        return self.pixel_mean.device

    def forward(self, batched_inputs):
        images = [(x["image"].to(self.device) - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        images = ImageList.from_tensors(
            images, self.backbone.size_divisibility, padding_constraints=self.backbone.padding_constraints
        )
        features, targets = self.backbone(images.tensor), None
        if "sem_seg" in batched_inputs[0] and self.training:
            labels = [x["sem_seg"].to(self.device) for x in batched_inputs]
            targets = ImageList.from_tensors(
                labels, self.backbone.size_divisibility, self.sem_seg_head.ignore_value
            ).tensor
        results, losses = self.sem_seg_head(features, targets)
        if self.training:
            return losses
        return [
            {"sem_seg": sem_seg_postprocess(result, size, item["height"], item["width"])}
            for result, item, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]


def records(root):
    return [
        {
            "file_name": os.path.join(root, f"{i}.png"),
            "sem_seg_file_name": os.path.join(root, f"{i}_labels.png"),
            "height": 64,
            "width": 96,
        }
        for i in range(1, 5)
    ]


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return SemSegEvaluator(dataset_name, distributed=True, output_dir=cfg.OUTPUT_DIR)

    @classmethod
    def build_lr_scheduler(cls, cfg, optimizer):
        return build_lr_scheduler(cfg, optimizer)


def main(args):
    register(args.root)
    if comm.is_main_process():
        for record in records(args.root):
            bright = np.asarray(Image.open(record["file_name"]))[:, :, 0] > 0
            Image.fromarray(bright.astype(np.uint8)).save(record["sem_seg_file_name"])
    comm.synchronize()
    DatasetCatalog.register("bright", lambda: records(args.root))
    MetadataCatalog.get("bright").set(stuff_classes=["dark", "bright"], evaluator_type="sem_seg", ignore_label=255)
    cfg = small_config(args.root)
    add_deeplab_config(cfg)
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.SEM_SEG_HEAD.NAME = "Segmentor", "OneLayer"
    cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES, cfg.MODEL.SEM_SEG_HEAD.IN_FEATURES = 2, ["p2"]
    cfg.SOLVER.LR_SCHEDULER_NAME, cfg.INPUT.CROP.ENABLED, cfg.INPUT.CROP.TYPE = "WarmupPolyLR", True, "absolute"
    cfg.INPUT.CROP.SIZE, cfg.INPUT.CROP.SINGLE_CATEGORY_MAX_AREA = (32, 64), 1.0
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("bright",)
    default_setup(cfg, args)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    results = trainer.train()
    loader = Trainer.build_test_loader(cfg, "bright")
    again = inference_on_dataset(trainer.model, loader, Trainer.build_evaluator(cfg, "bright"))
    if comm.is_main_process():
        assert results["sem_seg"].keys() >= {"mIoU", "IoU-bright", "pACC"}
        assert again["sem_seg"]["mIoU"] == results["sem_seg"]["mIoU"]


if __name__ == "__main__":
    start(main)
