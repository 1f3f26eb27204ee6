"""Cascade Mask R-CNN on Swin-FPN, for COCO and LVIS.

Source: Liu et al., "Swin Transformer", 2021; settings of Li et al., "Exploring Plain Vision Transformer Backbones for
Object Detection", 2022.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.backbone import FPN, LastLevelMaxPool, SwinTransformer
from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.training import adamw
from detectory.zoo.recipes.recipe_table import recipe
from detectory.zoo.recipes.transformers.lvis import trained_on_lvis
from detectory.zoo.recipes.transformers.vitdet import deepen_heads, in_rgb, trained_on_coco

_WEIGHTS = "detectron2://ImageNetPretrained/swin/swin_{}_patch4_window7_224_22k.pth"


def cascade_mask_rcnn_swin(embed_dim: int, num_heads: list[int], drop_path_rate: float = 0.4) -> DictConfig:
    """Return Cascade Mask R-CNN on a Swin transformer with 2, 2, 18 and 2 blocks per stage."""
    model = mask_rcnn_fpn()
    model.backbone = LazyCall(FPN)(
        bottom_up=LazyCall(SwinTransformer)(
            depths=[2, 2, 18, 2], drop_path_rate=drop_path_rate, embed_dim=embed_dim, num_heads=num_heads
        ),
        in_features=["p0", "p1", "p2", "p3"],
        out_channels=256,
        top_block=LazyCall(LastLevelMaxPool)(),
        norm="LN",
        square_pad=1024,
    )
    in_rgb(model)
    deepen_heads(model, "LN")
    return make_cascade(model, "LN")


def _trained(model: DictConfig, weights: str) -> DictConfig:
    optimizer = adamw(lr=4e-5, undecayed=("relative_position_bias_table",), weight_decay=0.05)
    return trained_on_coco(model, optimizer, _WEIGHTS.format(weights), epochs=50)


@recipe("ViTDet/COCO/cascade_mask_rcnn_swin_b_in21k_50ep")
def cascade_swin_b_coco() -> DictConfig:
    """Cascade Mask R-CNN, Swin-B, 50 epochs of COCO."""
    return _trained(cascade_mask_rcnn_swin(128, [4, 8, 16, 32]), "base")


@recipe("ViTDet/COCO/cascade_mask_rcnn_swin_l_in21k_50ep")
def cascade_swin_l_coco() -> DictConfig:
    """Cascade Mask R-CNN, Swin-L, 50 epochs of COCO."""
    return _trained(cascade_mask_rcnn_swin(192, [6, 12, 24, 48]), "large")


@recipe("ViTDet/LVIS/cascade_mask_rcnn_swin_b_in21k_50ep")
def cascade_swin_b_lvis() -> DictConfig:
    """Cascade Mask R-CNN, Swin-B, 50 epochs of LVIS v1."""
    return _for_lvis(cascade_swin_b_coco())


@recipe("ViTDet/LVIS/cascade_mask_rcnn_swin_l_in21k_50ep")
def cascade_swin_l_lvis() -> DictConfig:
    """Cascade Mask R-CNN, Swin-L, 50 epochs of LVIS v1."""
    return _for_lvis(cascade_swin_l_coco())


def _for_lvis(config: DictConfig) -> DictConfig:
    config.model.backbone.bottom_up.drop_path_rate = 0.3
    return trained_on_lvis(config, lr=1e-4, epochs=50)
