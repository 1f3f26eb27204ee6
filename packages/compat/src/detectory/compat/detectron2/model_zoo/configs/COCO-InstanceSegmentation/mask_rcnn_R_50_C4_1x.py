"""Mask R-CNN, ResNet-50, features of res4, 12 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.py")
