"""RetinaNet, ResNet-50-FPN, 12 epochs."""

from detectory.compat.detectron2.model_zoo.targets import recipe_parts

dataloader, lr_multiplier, model, optimizer, train = recipe_parts("COCO-Detection/retinanet_R_50_FPN_1x.py")
