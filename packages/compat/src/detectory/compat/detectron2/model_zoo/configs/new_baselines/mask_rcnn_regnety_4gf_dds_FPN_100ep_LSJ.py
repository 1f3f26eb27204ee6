"""Mask R-CNN, RegNetY-4GF-FPN, 100 epochs from random weights with large-scale jitter."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts(
    "new_baselines/mask_rcnn_regnety_4gf_dds_FPN_100ep_LSJ.py"
)
