"""Recipes of small models that two CPU cores can train from random weights: ResNet-18 and 64 FPN channels."""

from detectory import zoo
from detectory.cli.demo.recipe import demo_recipe
from detectory.core.config import LazyCall
from detectory.modeling.backbone import ResNet
from detectory.modeling.layers import ShapeSpec

SHORT_EDGE, MAX_SIZE, CHANNELS = 192, 320, 64


def mask_rcnn(iterations, name):
    """Return the demo's Mask R-CNN with anchors for large objects."""
    config = demo_recipe(iterations, SHORT_EDGE, MAX_SIZE)
    config.model.proposal_generator.anchor_generator.sizes = [[32], [64], [128], [256]]
    config.dataloader.train.mapper.augmentations = config.dataloader.train.mapper.augmentations[:1]
    config.dataloader.train.total_batch_size = 4
    config.dataloader.train.dataset.names = config.dataloader.test.dataset.names = name
    return config


def keypoint_rcnn(iterations, name):
    """Return a Keypoint R-CNN."""
    config = mask_rcnn(iterations, name)
    full = zoo.get_config("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.py")
    heads = config.model.roi_heads
    for part in ("mask_in_features", "mask_pooler", "mask_head"):
        del heads[part]
    for part in ("num_classes", "keypoint_in_features", "keypoint_pooler", "keypoint_head"):
        heads[part] = full.model.roi_heads[part]
    heads.box_predictor.num_classes = 1
    heads.keypoint_pooler.canonical_box_size = heads.box_pooler.canonical_box_size
    heads.keypoint_head.input_shape.channels = CHANNELS
    heads.keypoint_head.conv_dims = [CHANNELS] * 4
    config.dataloader.train.mapper.use_keypoint, config.dataloader.train.mapper.use_instance_mask = True, False
    return config


def panoptic_fpn(iterations, name):
    """Return a Panoptic FPN with a smaller minimum stuff area, to match the low resolution."""
    config = mask_rcnn(iterations, name)
    full = zoo.get_config("COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.py")
    config.model._target_ = full.model._target_
    config.model.sem_seg_head = full.model.sem_seg_head
    config.model.sem_seg_head.conv_dims = CHANNELS
    config.model.combine_stuff_area_thresh = 1024
    config.dataloader.train.dataset.filter_empty = False
    config.dataloader.evaluator = full.dataloader.evaluator
    return config


def retinanet(iterations, name):
    """Return a RetinaNet with group normalization in its head."""
    config = mask_rcnn(iterations, name)
    model = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x.py").model
    model.backbone.bottom_up = config.model.backbone.bottom_up
    model.backbone.bottom_up.stages = LazyCall(ResNet.make_default_stages)(depth=18, norm="BN")
    model.backbone.bottom_up.out_features = ["res3", "res4", "res5"]
    model.backbone.out_channels = CHANNELS
    model.backbone.norm = "BN"
    model.backbone.top_block.in_channels = 512
    model.head.input_shape = [ShapeSpec(channels=CHANNELS) for _ in model.head_in_features]
    model.head.conv_dims, model.head.norm = [CHANNELS] * 2, "GN"
    model.pixel_std = config.model.pixel_std
    config.model = model
    config.dataloader.train.mapper.use_instance_mask = False
    return config
