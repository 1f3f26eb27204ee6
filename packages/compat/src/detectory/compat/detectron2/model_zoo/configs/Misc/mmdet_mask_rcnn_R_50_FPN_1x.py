"""MMDetection's Mask R-CNN, ResNet-50-FPN, 12 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

constants, dataloader, lr_multiplier, model, optimizer, train = recipe_parts("Misc/mmdet_mask_rcnn_R_50_FPN_1x.py")
