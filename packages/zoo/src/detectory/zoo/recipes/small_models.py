"""Small detectors that two CPU cores or a small GPU train: ResNet-18 and 64 channels, on images of 320 pixels.

Every layer is trained with batch norm (group norm in the head of RetinaNet, which all levels share), so that the models
also learn from random weights, with an empty `train.init_checkpoint`. The anchors cover objects of 16 to 256 pixels.
Trained with AdamW and a cosine schedule.

Source: He et al., "Deep Residual Learning for Image Recognition", 2016 (ResNet-18).
"""

import torch
from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import coco_loaders, keypoint_loaders, multi_scale_augmentations, resize_shortest_edge
from detectory.zoo.parts.rcnn import mask_rcnn_fpn, without_masks
from detectory.zoo.parts.resnet import RESNET_18, RGB_MEAN, RGB_STD, resnet_18
from detectory.zoo.parts.training import cosine_schedule, train_options
from detectory.zoo.recipes.dense_detectors import retinanet
from detectory.zoo.recipes.keypoint_rcnn import keypoint_rcnn_fpn
from detectory.zoo.recipes.recipe_table import recipe

SHORT_EDGE, MAX_SIZE = 320, 512
CHANNELS = 64
BATCH_SIZE = 4
_COCO_IMAGES = 118_287
_BOX_FEATURES = 256
#: Box size that is pooled from p4. Half of the usual 224 pixels, like the anchors.
_CANONICAL_BOX_SIZE = 112


def small_rcnn(model: DictConfig) -> DictConfig:
    """Make a Faster, Mask or Keypoint R-CNN on a ResNet-50-FPN small, in place."""
    model.backbone.bottom_up = resnet_18()
    _use_small_pyramid(model)
    rpn = model.proposal_generator
    rpn.head.in_channels = CHANNELS
    rpn.anchor_generator.sizes = [[16], [32], [64], [128], [256]]
    rpn.batch_size_per_image = 128
    rpn.pre_nms_topk, rpn.post_nms_topk = [500, 300], [500, 300]
    heads = model.roi_heads
    heads.batch_size_per_image = 64
    heads.box_head.fc_dims = [_BOX_FEATURES] * 2
    heads.box_predictor.input_shape.channels = _BOX_FEATURES
    for name in ("box", "mask", "keypoint"):
        if f"{name}_head" in heads:
            heads[f"{name}_pooler"].canonical_box_size = _CANONICAL_BOX_SIZE
            heads[f"{name}_head"].input_shape.channels = CHANNELS
    if "mask_head" in heads:
        heads.mask_head.conv_dims = [CHANNELS] * 3
    if "keypoint_head" in heads:
        heads.keypoint_head.conv_dims = [CHANNELS] * 4
    return model


def small_retinanet() -> DictConfig:
    """Return RetinaNet on ResNet-18 with 64 channels."""
    model = retinanet()
    model.backbone.bottom_up = resnet_18(out_features=("res3", "res4", "res5"))
    _use_small_pyramid(model)
    model.backbone.top_block.in_channels = 512
    model.head.input_shape = [ShapeSpec(channels=CHANNELS) for _ in model.head_in_features]
    model.head.conv_dims, model.head.norm = [CHANNELS] * 2, "GN"
    model.anchor_generator.sizes = [[size, size * 2 ** (1 / 3), size * 2 ** (2 / 3)] for size in (16, 32, 64, 128, 256)]
    return model


def _use_small_pyramid(model: DictConfig) -> None:
    """Narrow the FPN and normalize its layers; take RGB images, as torchvision's ResNet-18 does."""
    model.backbone.out_channels, model.backbone.norm = CHANNELS, "BN"
    model.pixel_mean, model.pixel_std, model.input_format = list(RGB_MEAN), list(RGB_STD), "RGB"


def small_config(model: DictConfig, dataloader: DictConfig) -> DictConfig:
    """Return the whole config of a small model: 12 epochs of COCO from torchvision's ImageNet weights."""
    dataloader.train.mapper.augmentations = multi_scale_augmentations([SHORT_EDGE], MAX_SIZE)
    dataloader.test.mapper.augmentations = [resize_shortest_edge(SHORT_EDGE, max_size=MAX_SIZE)]
    dataloader.train.mapper.image_format = "RGB"
    dataloader.train.total_batch_size = BATCH_SIZE
    dataloader.train.num_workers = dataloader.test.num_workers = 2
    config = whole_config(
        model=model,
        dataloader=dataloader,
        optimizer=LazyCall(torch.optim.AdamW)(
            params=LazyCall("detectory.engine.optimizers.get_default_optimizer_params")(weight_decay_norm=0.0),
            lr=1.5e-3,
            weight_decay=0.02,
            fused=True,
        ),
        lr_multiplier=cosine_schedule(),
        train=train_options(RESNET_18, max_iter=12 * _COCO_IMAGES // BATCH_SIZE),
    )
    config.train.amp.enabled = True  # bfloat16 only on devices that compute it natively
    config.train.clip_gradients = {"clip_type": "full_model", "clip_value": 5.0, "norm_type": 2.0}
    return config


@recipe("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small")
def small_mask_rcnn() -> DictConfig:
    """Mask R-CNN on ResNet-18, for images of 320 pixels."""
    return small_config(small_rcnn(mask_rcnn_fpn()), coco_loaders())


@recipe("COCO-Detection/faster_rcnn_R_18_FPN_small")
def small_faster_rcnn() -> DictConfig:
    """Faster R-CNN on ResNet-18, for images of 320 pixels."""
    return small_config(small_rcnn(without_masks(mask_rcnn_fpn())), coco_loaders(masks=False))


@recipe("COCO-Detection/retinanet_R_18_FPN_small")
def small_retinanet_config() -> DictConfig:
    """RetinaNet on ResNet-18, for images of 320 pixels."""
    return small_config(small_retinanet(), coco_loaders(masks=False))


@recipe("COCO-Keypoints/keypoint_rcnn_R_18_FPN_small")
def small_keypoint_rcnn() -> DictConfig:
    """Keypoint R-CNN on ResNet-18, for images of 320 pixels."""
    return small_config(small_rcnn(keypoint_rcnn_fpn()), keypoint_loaders())
