"""ViTDet: Mask R-CNN and Cascade Mask R-CNN on a plain ViT with a simple feature pyramid, for COCO and LVIS.

Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022.
"""

from dataclasses import dataclass
from functools import partial

from omegaconf import DictConfig
from torch import nn

from detectory.core.config import LazyCall
from detectory.modeling.backbone import LastLevelMaxPool, SimpleFeaturePyramid, ViT, get_vit_lr_decay_rate
from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import coco_loaders, large_scale_jitter, random_flip, resize_shortest_edge
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import RGB_MEAN, RGB_STD
from detectory.zoo.parts.training import adamw, late_steps, train_options
from detectory.zoo.recipes.new_baselines import ITERATIONS_OF_100_EPOCHS, MILESTONES_OF_100_EPOCHS
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe
from detectory.zoo.recipes.transformers.lvis import trained_on_lvis

IMAGE_SIZE = 1024
_MAE = "detectron2://ImageNetPretrained/MAE/mae_pretrain_vit_{}.pth?matching_heuristics=True"


@dataclass(frozen=True)
class ViTSize:
    """Settings that differ between the sizes of ViT."""

    weights: str
    embed_dim: int
    depth: int
    num_heads: int
    lr_decay_rate: float
    global_blocks: tuple[int, ...]  # all other blocks attend within windows of 14x14 patches


BASE = ViTSize("base", 768, 12, 12, 0.7, (2, 5, 8, 11))
LARGE = ViTSize("large", 1024, 24, 16, 0.8, (5, 11, 17, 23))
HUGE = ViTSize("huge_p14to16", 1280, 32, 16, 0.9, (7, 15, 23, 31))


def mask_rcnn_vitdet(size: ViTSize, drop_path_rate: float) -> DictConfig:
    """Return Mask R-CNN on a ViT, for images of 1024x1024 pixels."""
    model = mask_rcnn_fpn()
    model.backbone = LazyCall(SimpleFeaturePyramid)(
        net=LazyCall(ViT)(
            img_size=IMAGE_SIZE,
            patch_size=16,
            embed_dim=size.embed_dim,
            depth=size.depth,
            num_heads=size.num_heads,
            drop_path_rate=drop_path_rate,
            window_size=14,
            mlp_ratio=4,
            qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            window_block_indexes=[block for block in range(size.depth) if block not in size.global_blocks],
            residual_block_indexes=[],
            use_rel_pos=True,
            out_feature="last_feat",
        ),
        in_feature="${.net.out_feature}",
        out_channels=256,
        scale_factors=[4.0, 2.0, 1.0, 0.5],
        top_block=LazyCall(LastLevelMaxPool)(),
        norm="LN",
        square_pad=IMAGE_SIZE,
    )
    in_rgb(model)
    deepen_heads(model, "LN")
    return model


def in_rgb(model: DictConfig) -> None:
    """Change the input to RGB images, normalised with ImageNet's statistics, in place."""
    model.pixel_mean, model.pixel_std, model.input_format = RGB_MEAN, RGB_STD, "RGB"


def deepen_heads(model: DictConfig, conv_norm: object) -> None:
    """Add convolutions to the RPN (two) and the box head (four), and norms to both ROI heads, in place."""
    model.proposal_generator.head.conv_dims = [-1, -1]
    model.roi_heads.box_head.conv_dims = [256, 256, 256, 256]
    model.roi_heads.box_head.fc_dims = [1024]
    model.roi_heads.box_head.conv_norm = conv_norm
    model.roi_heads.mask_head.conv_norm = conv_norm


def square_loaders() -> DictConfig:
    """Return COCO loaders with large-scale jitter to 1024x1024 RGB pixels and batches of 64."""
    jitter = [random_flip(), *large_scale_jitter(IMAGE_SIZE)]
    jitter[-1].pad = False  # the backbone pads images to a square
    loaders = coco_loaders(augmentations=jitter, image_format="RGB", batch_size=64)
    loaders.train.mapper.recompute_boxes = True
    loaders.test.mapper.augmentations = [resize_shortest_edge(IMAGE_SIZE, max_size=IMAGE_SIZE)]
    return loaders


def trained_on_coco(model: DictConfig, optimizer: DictConfig, init_checkpoint: str, epochs: int) -> DictConfig:
    """Return the whole config of a training on COCO with batches of 64."""
    iterations = ITERATIONS_OF_100_EPOCHS * epochs // 100
    return whole_config(
        model=model,
        dataloader=square_loaders(),
        optimizer=optimizer,
        lr_multiplier=late_steps(
            iterations,
            [step * epochs // 100 for step in MILESTONES_OF_100_EPOCHS],
            warmup_length=250 / ITERATIONS_OF_100_EPOCHS,
        ),
        train=train_options(init_checkpoint, max_iter=iterations, amp=True),
    )


def _optimizer(size: ViTSize) -> DictConfig:
    # The largest model was trained with weight decay on all parameters.
    optimizer = adamw(undecayed=() if size is HUGE else ("pos_embed",))
    optimizer.params.lr_factor_func = partial(
        get_vit_lr_decay_rate, num_layers=size.depth, lr_decay_rate=size.lr_decay_rate
    )
    if size is HUGE:
        optimizer.params.weight_decay_norm = None
    return optimizer


def _vitdet(size: ViTSize, drop_path_rate: float, epochs: int, cascade: bool) -> DictConfig:
    model = mask_rcnn_vitdet(size, drop_path_rate)
    if cascade:
        make_cascade(model, "LN")
    return trained_on_coco(model, _optimizer(size), _MAE.format(size.weights), epochs)


def _on_coco(size: ViTSize, drop_path_rate: float, epochs: int, cascade: bool) -> Recipe:
    return lambda: _vitdet(size, drop_path_rate, epochs, cascade)


def _on_lvis(size: ViTSize, drop_path_rate: float, lr: float, cascade: bool) -> Recipe:
    def build() -> DictConfig:
        return trained_on_lvis(_vitdet(size, drop_path_rate, 100, cascade), lr=lr, epochs=100)

    return build


for _prefix, _cascade in (("mask_rcnn", False), ("cascade_mask_rcnn", True)):
    RECIPES |= {
        f"ViTDet/COCO/{_prefix}_vitdet_b_100ep": _on_coco(BASE, 0.1, 100, _cascade),
        f"ViTDet/COCO/{_prefix}_vitdet_l_100ep": _on_coco(LARGE, 0.4, 100, _cascade),
        f"ViTDet/COCO/{_prefix}_vitdet_h_75ep": _on_coco(HUGE, 0.5, 75, _cascade),
        f"ViTDet/LVIS/{_prefix}_vitdet_b_100ep": _on_lvis(BASE, 0.1, 2e-4, _cascade),
        f"ViTDet/LVIS/{_prefix}_vitdet_l_100ep": _on_lvis(LARGE, 0.4, 2e-4, _cascade),
        f"ViTDet/LVIS/{_prefix}_vitdet_h_100ep": _on_lvis(HUGE, 0.4, 1e-4, _cascade),
    }
