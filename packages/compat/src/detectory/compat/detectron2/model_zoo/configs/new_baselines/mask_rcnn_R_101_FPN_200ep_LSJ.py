"""Mask R-CNN, ResNet-101-FPN, 200 epochs from random weights with large-scale jitter."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("new_baselines/mask_rcnn_R_101_FPN_200ep_LSJ.py")
