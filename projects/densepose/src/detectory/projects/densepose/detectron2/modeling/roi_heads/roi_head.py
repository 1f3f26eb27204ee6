"""ROI heads with a head for dense poses, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.poolers import ROIPooler
from detectory.projects.densepose import modeling as native
from detectory.projects.densepose.detectron2.modeling.build import (
    build_densepose_embedder,
    build_densepose_head,
    build_densepose_losses,
    build_densepose_predictor,
)
from detectory.projects.densepose.modeling.decoder import Decoder

__all__ = ["Decoder", "DensePoseROIHeads"]


@ROI_HEADS_REGISTRY.register()
class DensePoseROIHeads(StandardROIHeads, native.DensePoseROIHeads):
    """`detectory.projects.densepose.modeling.DensePoseROIHeads` that can also be built from a config."""

    __init__ = configurable(native.DensePoseROIHeads.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:  # type: ignore[override]
        """Read the arguments of all heads."""
        return super().from_config(cfg, input_shape) | cls._init_densepose_head(cfg, input_shape)

    @classmethod
    def _init_densepose_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        if not cfg.MODEL.DENSEPOSE_ON:
            return {}
        settings, names = cfg.MODEL.ROI_DENSEPOSE_HEAD, list(cfg.MODEL.ROI_HEADS.IN_FEATURES)
        decoder, channels = None, input_shape[names[0]].channels
        strides = [input_shape[name].stride for name in names]
        if settings.DECODER_ON:
            channels, strides = settings.DECODER_NUM_CLASSES, [settings.DECODER_COMMON_STRIDE]
            decoder = Decoder(
                input_shape,
                names,
                conv_dims=settings.DECODER_CONV_DIMS,
                num_classes=channels,
                norm=settings.DECODER_NORM,
                common_stride=settings.DECODER_COMMON_STRIDE,
            )
        pooler = ROIPooler(
            output_size=settings.POOLER_RESOLUTION,
            scales=[1.0 / stride for stride in strides],
            sampling_ratio=settings.POOLER_SAMPLING_RATIO,
            pooler_type=settings.POOLER_TYPE,
        )
        head: Any = build_densepose_head(cfg, channels)
        return {
            "densepose_in_features": names,
            "densepose_decoder": decoder,
            "densepose_pooler": pooler,
            "densepose_head": head,
            "densepose_predictor": build_densepose_predictor(cfg, head.n_out_channels),
            "densepose_losses": build_densepose_losses(cfg),
            "embedder": build_densepose_embedder(cfg),
            "fg_iou_threshold": settings.FG_IOU_THRESHOLD,
            "train_on_masks": settings.COARSE_SEGM_TRAINED_BY_MASKS,
        }
