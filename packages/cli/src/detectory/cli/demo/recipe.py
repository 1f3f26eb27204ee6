"""The demo's recipe: a Mask R-CNN with ResNet-18 and a narrow FPN that can be trained from scratch on a CPU."""

import torch
from omegaconf import DictConfig

from detectory import zoo
from detectory.core.config import LazyCall
from detectory.engine.schedules import CosineParamScheduler, WarmupParamScheduler
from detectory.modeling.backbone import BasicBlock, ResNet

_CHANNELS = 64


def demo_recipe(iterations: int, short_edge: int, max_size: int, batch_size: int = 8, width: int = 64) -> DictConfig:
    """Return a small version of the zoo's Mask R-CNN R-50-FPN recipe that trains from random weights.

    Args:
        iterations: Training iterations.
        short_edge: Length of the shorter image side after resizing, in pixels.
        max_size: Maximum length of the longer side, in pixels.
        batch_size: Images per iteration.
        width: Channels of the stem and the first stage of the backbone; ResNet-18 has 64.
    """
    config = zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py")
    _shrink(config.model, relative_size=short_edge / 256, width=width)
    for loader in (config.dataloader.train, config.dataloader.test):
        resize = loader.mapper.augmentations[0]
        resize.short_edge_length, resize.max_size = short_edge, max_size
        loader.num_workers = 0
    config.dataloader.train.total_batch_size = batch_size
    config.optimizer._target_ = "torch.optim.AdamW"
    config.optimizer.pop("momentum")
    config.optimizer.lr, config.optimizer.weight_decay = 1.5e-3, 0.02
    config.optimizer.fused = True
    config.lr_multiplier = LazyCall(WarmupParamScheduler)(
        scheduler=LazyCall(CosineParamScheduler)(start_value=1.0, end_value=0.01),
        warmup_factor=0.04,
        warmup_length=0.1,
        warmup_method="linear",
    )
    config.train.max_iter = iterations
    config.train.init_checkpoint = ""
    config.train.device = "cuda" if torch.cuda.is_available() else "cpu"
    config.train.amp = {"enabled": True}  # bfloat16 only on devices that compute it natively
    config.train.clip_gradients = {"clip_type": "full_model", "clip_value": 5.0, "norm_type": 2.0}
    config.train.log_period = 10
    config.train.eval_period = 0
    config.train.checkpointer.period = max(iterations // 4, 1)
    config.train.seed = 1
    return config


def _shrink(model: DictConfig, relative_size: float, width: int) -> None:
    """Change the model in place: ResNet-18 with batch norm, an FPN with four levels of 64 channels, smaller heads."""
    levels = ["p2", "p3", "p4", "p5"]
    model.backbone.bottom_up.stages = _stages(width)
    model.backbone.bottom_up.stem.norm = "BN"
    model.backbone.bottom_up.stem.out_channels = width
    model.backbone.bottom_up.freeze_at = 0
    model.backbone.out_channels = _CHANNELS
    model.backbone.norm = "BN"
    model.pixel_std = [57.4, 57.1, 58.4]
    rpn = model.proposal_generator
    rpn.in_features = levels
    rpn.head.in_channels = _CHANNELS
    rpn.anchor_generator.sizes = [[round(size * relative_size)] for size in (24, 44, 80, 128)]
    rpn.anchor_generator.strides = [4, 8, 16, 32]
    rpn.batch_size_per_image = 128
    rpn.pre_nms_topk, rpn.post_nms_topk = [400, 200], [200, 100]
    heads = model.roi_heads
    heads.batch_size_per_image = 64
    for pooler in (heads.box_pooler, heads.mask_pooler):
        pooler.canonical_box_size = round(112 * relative_size)
    heads.box_head.input_shape.channels = heads.mask_head.input_shape.channels = _CHANNELS
    heads.box_head.fc_dims = [256, 256]
    heads.box_predictor.input_shape.channels = 256
    heads.mask_head.conv_dims = [_CHANNELS] * 3


def _stages(width: int) -> list[DictConfig]:
    """The four stages of a ResNet-18 whose first stage has `width` channels."""
    stages = []
    for index, in_channels in enumerate((width, width, 2 * width, 4 * width)):
        stage = LazyCall(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=2,
            stride_per_block=[1 if index == 0 else 2, 1],
            in_channels=in_channels,
            out_channels=width * 2**index,
            norm="BN",
        )
        stages.append(stage)
    return stages
