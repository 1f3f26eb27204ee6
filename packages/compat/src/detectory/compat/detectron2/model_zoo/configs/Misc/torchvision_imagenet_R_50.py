"""ResNet-50 on ImageNet, 100 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("Misc/torchvision_imagenet_R_50.py")
