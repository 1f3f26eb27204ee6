"""Mask R-CNN, RegNetY-4GF-FPN, 12 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts(
    "COCO-InstanceSegmentation/mask_rcnn_regnety_4gf_dds_fpn_1x.py"
)
