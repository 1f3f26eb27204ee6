"""Mask R-CNN and Cascade Mask R-CNN on MViTv2-FPN, for COCO and LVIS.

Recipes in `MViTv2/` follow the MViTv2 paper, recipes in `ViTDet/` the comparison in the ViTDet paper.

Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers for Classification and Detection", 2022.
"""

from dataclasses import dataclass
from functools import partial

from omegaconf import DictConfig
from torch import nn

from detectory.core.config import LazyCall
from detectory.modeling.backbone import FPN, LastLevelMaxPool, MViT
from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import coco_loaders, crop_or_not, large_scale_jitter, random_flip
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import BGR_MEAN, RGB_MEAN, RGB_STD
from detectory.zoo.parts.training import adamw, late_steps, steps_3x_of_64, train_options
from detectory.zoo.recipes.new_baselines import ITERATIONS_OF_100_EPOCHS, MILESTONES_OF_100_EPOCHS, sync_norm_of_regions
from detectory.zoo.recipes.recipe_table import recipe
from detectory.zoo.recipes.transformers.lvis import trained_on_lvis
from detectory.zoo.recipes.transformers.vitdet import deepen_heads, in_rgb, trained_on_coco

_WEIGHTS = "detectron2://ImageNetPretrained/mvitv2/MViTv2_{}.pyth"


@dataclass(frozen=True)
class MViTSize:
    """Settings that differ between the sizes of MViTv2."""

    embed_dim: int
    depth: int
    num_heads: int
    last_block_indexes: tuple[int, ...]
    drop_path_rate: float
    use_act_checkpoint: bool = False


TINY = MViTSize(96, 10, 1, (0, 2, 7, 9), 0.2)
SMALL = MViTSize(96, 16, 1, (0, 2, 13, 15), 0.2)
BASE = MViTSize(96, 24, 1, (1, 4, 20, 23), 0.4)
LARGE = MViTSize(144, 48, 2, (1, 7, 43, 47), 0.5)
HUGE = MViTSize(192, 80, 3, (3, 11, 71, 79), 0.6, use_act_checkpoint=True)


def mvit_pyramid(size: MViTSize, **pyramid: object) -> DictConfig:
    """Return a feature pyramid on an MViTv2."""
    checkpointing = {"use_act_checkpoint": True} if size.use_act_checkpoint else {}
    return LazyCall(FPN)(
        bottom_up=LazyCall(MViT)(
            embed_dim=size.embed_dim,
            depth=size.depth,
            num_heads=size.num_heads,
            last_block_indexes=list(size.last_block_indexes),
            residual_pooling=True,
            drop_path_rate=size.drop_path_rate,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            out_features=["scale2", "scale3", "scale4", "scale5"],
            **checkpointing,
        ),
        in_features="${.bottom_up.out_features}",
        out_channels=256,
        top_block=LazyCall(LastLevelMaxPool)(),
        **pyramid,
    )


def mask_rcnn_mvit(size: MViTSize) -> DictConfig:
    """Return Mask R-CNN on an MViTv2, for RGB images."""
    model = mask_rcnn_fpn()
    model.backbone = mvit_pyramid(size)
    in_rgb(model)
    return model


def cascade_mask_rcnn_mvit(size: MViTSize) -> DictConfig:
    """Return Cascade Mask R-CNN on an MViTv2, with batch norm in the heads."""
    model = mask_rcnn_mvit(size)
    deepen_heads(model, sync_norm_of_regions)
    return make_cascade(model, sync_norm_of_regions)


def _constants() -> dict[str, list[float]]:
    """Return pixel statistics, which three of Detectron2's recipes define next to the model."""
    return {
        "imagenet_bgr256_mean": BGR_MEAN,
        "imagenet_bgr256_std": [1.0, 1.0, 1.0],
        "imagenet_rgb256_mean": RGB_MEAN,
        "imagenet_rgb256_std": RGB_STD,
    }


def _trained_3x(model: DictConfig, weights: str) -> DictConfig:
    return whole_config(
        model=model,
        dataloader=coco_loaders(augmentations=[*crop_or_not(), random_flip()], image_format="RGB", batch_size=64),
        optimizer=adamw(lr=1.6e-4, undecayed=("pos_embed", "rel_pos_h", "rel_pos_w")),
        lr_multiplier=steps_3x_of_64(),
        train=train_options(_WEIGHTS.format(weights), max_iter=67_500, amp=True),
    )


def _with_large_jitter(config: DictConfig) -> DictConfig:
    config.dataloader.train.mapper.augmentations = [random_flip(), *large_scale_jitter()]
    config.dataloader.train.mapper.recompute_boxes = True
    return config


@recipe("MViTv2/mask_rcnn_mvitv2_t_3x")
def mask_rcnn_t_3x() -> DictConfig:
    """Mask R-CNN, MViTv2-T, 36 epochs."""
    config = _trained_3x(mask_rcnn_mvit(TINY), "T_in1k")
    config.constants = _constants()
    return config


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_t_3x")
def cascade_t_3x() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-T, 36 epochs."""
    return _trained_3x(cascade_mask_rcnn_mvit(TINY), "T_in1k")


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_s_3x")
def cascade_s_3x() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-S, 36 epochs."""
    return _trained_3x(cascade_mask_rcnn_mvit(SMALL), "S_in1k")


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_b_3x")
def cascade_b_3x() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-B, 36 epochs."""
    return _trained_3x(cascade_mask_rcnn_mvit(BASE), "B_in1k")


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_b_in21k_3x")
def cascade_b_in21k_3x() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-B pre-trained on ImageNet-21k, 36 epochs."""
    return _trained_3x(cascade_mask_rcnn_mvit(BASE), "B_in21k")


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_l_in21k_lsj_50ep")
def cascade_l_in21k_50ep() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-L, large-scale jitter, 50 epochs."""
    config = _with_large_jitter(_trained_3x(cascade_mask_rcnn_mvit(LARGE), "L_in21k"))
    iterations = ITERATIONS_OF_100_EPOCHS // 2
    config.train.max_iter = iterations
    config.optimizer.lr = 1e-4
    config.lr_multiplier = late_steps(
        iterations, [step // 2 for step in MILESTONES_OF_100_EPOCHS], warmup_length=250 / iterations
    )
    return config


@recipe("MViTv2/cascade_mask_rcnn_mvitv2_h_in21k_lsj_3x")
def cascade_h_in21k_3x() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-H, large-scale jitter, 36 epochs."""
    return _with_large_jitter(_trained_3x(cascade_mask_rcnn_mvit(HUGE), "H_in21k"))


def _compared_with_vitdet(size: MViTSize, weights: str, epochs: int, lr: float = 8e-5) -> DictConfig:
    model = mask_rcnn_mvit(size)
    model.backbone = mvit_pyramid(size, norm="LN", square_pad=1024)
    deepen_heads(model, "LN")
    make_cascade(model, "LN")
    optimizer = adamw(lr=lr)
    return trained_on_coco(model, optimizer, _WEIGHTS.format(weights), epochs)


@recipe("ViTDet/COCO/cascade_mask_rcnn_mvitv2_b_in21k_100ep")
def cascade_b_coco() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-B, 100 epochs of COCO."""
    config = _compared_with_vitdet(BASE, "B_in21k", 100)
    config.constants = _constants()
    return config


@recipe("ViTDet/COCO/cascade_mask_rcnn_mvitv2_l_in21k_50ep")
def cascade_l_coco() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-L, 50 epochs of COCO."""
    return _compared_with_vitdet(LARGE, "L_in21k", 50)


@recipe("ViTDet/COCO/cascade_mask_rcnn_mvitv2_h_in21k_36ep")
def cascade_h_coco() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-H, 36 epochs of COCO."""
    config = _compared_with_vitdet(HUGE, "H_in21k", 100, lr=1.6e-4)
    config.train.max_iter = 67_500
    config.lr_multiplier = steps_3x_of_64()
    return config


@recipe("ViTDet/LVIS/cascade_mask_rcnn_mvitv2_b_in21k_100ep")
def cascade_b_lvis() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-B, 100 epochs of LVIS v1."""
    return trained_on_lvis(_compared_with_vitdet(BASE, "B_in21k", 100), lr=1e-4, epochs=100)


@recipe("ViTDet/LVIS/cascade_mask_rcnn_mvitv2_l_in21k_50ep")
def cascade_l_lvis() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-L, 50 epochs of LVIS v1."""
    return trained_on_lvis(_compared_with_vitdet(LARGE, "L_in21k", 50), lr=4e-5, epochs=50)


@recipe("ViTDet/LVIS/cascade_mask_rcnn_mvitv2_h_in21k_50ep")
def cascade_h_lvis() -> DictConfig:
    """Cascade Mask R-CNN, MViTv2-H, 50 epochs of LVIS v1."""
    return trained_on_lvis(_compared_with_vitdet(HUGE, "H_in21k", 50), lr=2e-5, epochs=50)
