"""Panoptic FPN, ResNet-50, 12 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.py")
