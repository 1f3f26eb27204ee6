"""Mask R-CNN, ResNet-50-FPN, 50 epochs from random weights with large-scale jitter."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("new_baselines/mask_rcnn_R_50_FPN_50ep_LSJ.py")
