"""The registry of backbones."""

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling.backbone import Backbone

BACKBONE_REGISTRY = Registry("BACKBONE")


def build_backbone(cfg: CfgNode, input_shape: ShapeSpec | None = None) -> Backbone:
    """Build the backbone named by `MODEL.BACKBONE.NAME`.

    Args:
        cfg: The config.
        input_shape: Shape of the images; by default `MODEL.PIXEL_MEAN` determines the channels.

    Raises:
        TypeError: If the registered function or class does not return a `Backbone`.
    """
    if input_shape is None:
        input_shape = ShapeSpec(channels=len(cfg.MODEL.PIXEL_MEAN))
    backbone = BACKBONE_REGISTRY.get(cfg.MODEL.BACKBONE.NAME)(cfg, input_shape)
    if not isinstance(backbone, Backbone):
        raise TypeError(f"build_backbone: '{cfg.MODEL.BACKBONE.NAME}' must build a Backbone, got {type(backbone)}")
    return backbone
