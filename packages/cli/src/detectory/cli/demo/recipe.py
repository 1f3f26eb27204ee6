"""The demo's recipe: the zoo's small Mask R-CNN with anchors and numbers of regions for the generated shapes."""

import torch
from omegaconf import DictConfig

from detectory import zoo
from detectory.zoo.parts.resnet import resnet_18

_NAME = "COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small"


def demo_recipe(iterations: int, short_edge: int, max_size: int, batch_size: int = 8, width: int = 64) -> DictConfig:
    """Return the zoo's small Mask R-CNN for objects of up to half of the image, which trains from random weights.

    Args:
        iterations: Training iterations.
        short_edge: Length of the shorter image side after resizing, in pixels.
        max_size: Maximum length of the longer side, in pixels.
        batch_size: Images per iteration.
        width: Channels of the stem and the first stage of the backbone; ResNet-18 has 64.
    """
    config = zoo.get_config(_NAME)
    config.model.backbone.bottom_up = resnet_18(width)
    _fit_to_shapes(config.model, relative_size=short_edge / 256)
    for loader in (config.dataloader.train, config.dataloader.test):
        resize = loader.mapper.augmentations[0]
        resize.short_edge_length, resize.max_size = short_edge, max_size
        loader.num_workers = 0
    config.dataloader.train.total_batch_size = batch_size
    config.train.init_checkpoint = ""
    config.train.max_iter = iterations
    config.train.device = "cuda" if torch.cuda.is_available() else "cpu"
    config.train.log_period = 10
    config.train.eval_period = 0
    config.train.checkpointer.period = max(iterations // 4, 1)
    config.train.seed = 1
    return config


def _fit_to_shapes(model: DictConfig, relative_size: float) -> None:
    """Replace the anchors, in place: four sizes for shapes of 16 to 120 pixels at a relative size of 1."""
    rpn = model.proposal_generator
    rpn.in_features = ["p2", "p3", "p4", "p5"]
    rpn.anchor_generator.sizes = [[round(size * relative_size)] for size in (24, 44, 80, 128)]
    rpn.anchor_generator.strides = [4, 8, 16, 32]
    rpn.pre_nms_topk, rpn.post_nms_topk = [400, 200], [200, 100]
    for pooler in (model.roi_heads.box_pooler, model.roi_heads.mask_pooler):
        pooler.canonical_box_size = round(112 * relative_size)
