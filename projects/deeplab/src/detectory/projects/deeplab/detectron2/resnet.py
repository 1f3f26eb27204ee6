"""DeepLab's ResNet, built from a config."""

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectory.modeling.backbone import ResNet
from detectory.projects.deeplab import DeepLabStem, deeplab_resnet

__all__ = ["DeepLabStem", "build_resnet_deeplab_backbone"]


@BACKBONE_REGISTRY.register()
def build_resnet_deeplab_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Build the dilated ResNet that `MODEL.RESNETS` and `MODEL.BACKBONE.FREEZE_AT` describe.

    Raises:
        ValueError: If the depth has no bottleneck blocks, the stem is unknown, or the dilations are incompatible.
    """
    settings = cfg.MODEL.RESNETS
    return deeplab_resnet(
        settings.DEPTH,
        in_channels=input_shape.channels,
        stem_type=settings.STEM_TYPE,
        stem_out_channels=settings.STEM_OUT_CHANNELS,
        res2_out_channels=settings.RES2_OUT_CHANNELS,
        num_groups=settings.NUM_GROUPS,
        width_per_group=settings.WIDTH_PER_GROUP,
        norm=settings.NORM,
        stride_in_1x1=settings.STRIDE_IN_1X1,
        res4_dilation=settings.RES4_DILATION,
        res5_dilation=settings.RES5_DILATION,
        res5_multi_grid=settings.RES5_MULTI_GRID,
        deform_on_per_stage=settings.DEFORM_ON_PER_STAGE,
        deform_modulated=settings.DEFORM_MODULATED,
        deform_num_groups=settings.DEFORM_NUM_GROUPS,
        out_features=settings.OUT_FEATURES,
        freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
    )
