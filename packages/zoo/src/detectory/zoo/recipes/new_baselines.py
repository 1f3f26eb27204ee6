"""Mask R-CNN trained from scratch for 50 to 400 epochs with large-scale jitter.

Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method", 2021, the baselines.
"""

from collections.abc import Callable

from omegaconf import DictConfig
from torch import nn

from detectory.modeling.layers import NaiveSyncBatchNorm
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import coco_loaders, large_scale_jitter, random_flip
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.training import late_steps, sgd, train_options
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe
from detectory.zoo.recipes.regnet import regnetx_4gf, regnety_4gf, with_regnet

ITERATIONS_OF_100_EPOCHS = 184_375
MILESTONES_OF_100_EPOCHS = (163_889, 177_546)


def sync_norm_of_regions(channels: int) -> nn.Module:
    """Return a synchronised batch norm that weights workers by their number of regions."""
    return NaiveSyncBatchNorm(channels, stats_mode="N")


def mask_rcnn_from_scratch(depth: int = 50) -> DictConfig:
    """Return Mask R-CNN on a ResNet-FPN, with synchronised batch norm everywhere and deeper heads."""
    model = mask_rcnn_fpn(depth)
    backbone = model.backbone
    backbone.bottom_up.freeze_at = 0
    backbone.norm = backbone.bottom_up.stem.norm = backbone.bottom_up.stages.norm = "SyncBN"
    model.proposal_generator.head.conv_dims = [-1, -1]
    model.roi_heads.box_head.conv_dims = [256, 256, 256, 256]
    model.roi_heads.box_head.fc_dims = [1024]
    model.roi_heads.box_head.conv_norm = sync_norm_of_regions
    model.roi_heads.mask_head.conv_norm = sync_norm_of_regions
    return model


def trained_from_scratch(epochs: int, depth: int = 50) -> DictConfig:
    """Return the whole config for a number of epochs."""
    iterations = ITERATIONS_OF_100_EPOCHS * epochs // 100
    return whole_config(
        model=mask_rcnn_from_scratch(depth),
        dataloader=large_jitter_loaders(),
        optimizer=sgd(lr=0.1, weight_decay=4e-5),
        lr_multiplier=late_steps(
            iterations,
            [step * epochs // 100 for step in MILESTONES_OF_100_EPOCHS],
            warmup_length=500 / ITERATIONS_OF_100_EPOCHS,
            warmup_factor=0.067,
        ),
        train=train_options("", max_iter=iterations, amp=True),
    )


def large_jitter_loaders() -> DictConfig:
    """Return COCO loaders with large-scale jitter, boxes recomputed from the cropped masks, and batches of 64."""
    loaders = coco_loaders(augmentations=[*large_scale_jitter(), random_flip()], batch_size=64)
    loaders.train.mapper.recompute_boxes = True
    return loaders


def _with_resnet(depth: int, epochs: int) -> Recipe:
    return lambda: trained_from_scratch(epochs, depth)


def _with_regnet(regnet: Callable[[str], DictConfig], epochs: int) -> Recipe:
    return lambda: with_regnet(trained_from_scratch(epochs), regnet("SyncBN"))


RECIPES["new_baselines/mask_rcnn_R_50_FPN_50ep_LSJ"] = _with_resnet(50, 50)
for _epochs in (100, 200, 400):
    RECIPES |= {
        f"new_baselines/mask_rcnn_R_50_FPN_{_epochs}ep_LSJ": _with_resnet(50, _epochs),
        f"new_baselines/mask_rcnn_R_101_FPN_{_epochs}ep_LSJ": _with_resnet(101, _epochs),
        f"new_baselines/mask_rcnn_regnetx_4gf_dds_FPN_{_epochs}ep_LSJ": _with_regnet(regnetx_4gf, _epochs),
        f"new_baselines/mask_rcnn_regnety_4gf_dds_FPN_{_epochs}ep_LSJ": _with_regnet(regnety_4gf, _epochs),
    }
