"""Panoptic FPN."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY
from detectory.compat.detectron2.modeling.meta_arch.rcnn import GeneralizedRCNN
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import build_sem_seg_head
from detectory.modeling import meta_arch as native
from detectory.modeling.meta_arch import combine_semantic_and_instance_outputs

__all__ = ["PanopticFPN", "combine_semantic_and_instance_outputs"]


@META_ARCH_REGISTRY.register()
class PanopticFPN(GeneralizedRCNN, native.PanopticFPN):
    """`detectory.modeling.meta_arch.PanopticFPN` that can also be built from a config."""

    __init__ = configurable(native.PanopticFPN.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config."""
        described = super().from_config(cfg)
        combine = cfg.MODEL.PANOPTIC_FPN.COMBINE
        described |= {
            "sem_seg_head": build_sem_seg_head(cfg, described["backbone"].output_shape()),
            "combine_overlap_thresh": combine.OVERLAP_THRESH,
            "combine_stuff_area_thresh": combine.STUFF_AREA_LIMIT,
            "combine_instances_score_thresh": combine.INSTANCES_CONFIDENCE_THRESH,
        }
        weight = cfg.MODEL.PANOPTIC_FPN.INSTANCE_LOSS_WEIGHT
        if weight != 1.0:
            _scale_instance_losses(described, weight)
        return described


def _scale_instance_losses(parts: dict[str, Any], weight: float) -> None:
    """Scale the loss weights of the proposal generator and the ROI heads."""
    for part in (parts["proposal_generator"], parts["roi_heads"]):
        for module in part.modules():
            current = getattr(module, "loss_weight", None)
            if isinstance(current, dict):
                module.loss_weight = {name: value * weight for name, value in current.items()}
            elif isinstance(current, int | float):
                module.loss_weight = current * weight
