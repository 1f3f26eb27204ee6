"""Mask R-CNN on RegNet-FPN, 12 epochs.

Source: Dollár et al., "Fast and Accurate Model Scaling", 2021; Radosavovic et al., "Designing Network Design Spaces",
2020.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.backbone import RegNet
from detectory.modeling.backbone.regnet import ResBottleneckBlock, SimpleStem
from detectory.zoo.recipes.mask_rcnn import mask_rcnn
from detectory.zoo.recipes.recipe_table import recipe

# The channel order in which these weights were trained.
REGNET_STD = [57.375, 57.12, 58.395]
_WEIGHTS = "https://dl.fbaipublicfiles.com/pycls/dds_baselines"


def regnetx_4gf(norm: str, **arguments: object) -> DictConfig:
    """Return RegNetX-4GF (4 GFLOPs)."""
    return _regnet(norm, depth=23, w_a=38.65, w_0=96, w_m=2.43, group_width=40, **arguments)


def regnety_4gf(norm: str, **arguments: object) -> DictConfig:
    """Return RegNetY-4GF (4 GFLOPs), with squeeze-and-excitation."""
    return _regnet(norm, depth=22, w_a=31.41, w_0=96, w_m=2.24, group_width=64, se_ratio=0.25, **arguments)


def _regnet(norm: str, **widths: object) -> DictConfig:
    return LazyCall(RegNet)(
        stem_class=SimpleStem,
        stem_width=32,
        block_class=ResBottleneckBlock,
        norm=norm,
        out_features=["s1", "s2", "s3", "s4"],
        **widths,
    )


def with_regnet(config: DictConfig, regnet: DictConfig) -> DictConfig:
    """Replace the backbone under the pyramid by a RegNet, in place."""
    config.model.backbone.bottom_up = regnet
    config.model.pixel_std = REGNET_STD
    config.train.cudnn_benchmark = True
    return config


@recipe("COCO-InstanceSegmentation/mask_rcnn_regnetx_4gf_dds_fpn_1x")
def mask_rcnn_regnetx_4gf_1x() -> DictConfig:
    """Mask R-CNN, RegNetX-4GF-FPN, 12 epochs."""
    config = with_regnet(mask_rcnn(), regnetx_4gf("FrozenBN", freeze_at=2))
    config.optimizer.weight_decay = 5e-5
    config.train.init_checkpoint = f"{_WEIGHTS}/160906383/RegNetX-4.0GF_dds_8gpu.pyth"
    return config


@recipe("COCO-InstanceSegmentation/mask_rcnn_regnety_4gf_dds_fpn_1x")
def mask_rcnn_regnety_4gf_1x() -> DictConfig:
    """Mask R-CNN, RegNetY-4GF-FPN, 12 epochs."""
    config = with_regnet(mask_rcnn(), regnety_4gf("FrozenBN", freeze_at=2))
    config.optimizer.weight_decay = 5e-5
    config.train.init_checkpoint = f"{_WEIGHTS}/160906838/RegNetY-4.0GF_dds_8gpu.pyth"
    return config
