"""Two-stage R-CNNs and proposal networks."""

from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data.detection_utils import convert_image_to_rgb
from detectory.compat.detectron2.modeling.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import build_backbone
from detectory.compat.detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY
from detectory.compat.detectron2.modeling.meta_arch.input_device import InputDevice
from detectory.compat.detectron2.modeling.postprocessing import detector_postprocess
from detectory.compat.detectron2.modeling.proposal_generator import build_proposal_generator
from detectory.compat.detectron2.modeling.roi_heads import build_roi_heads
from detectory.compat.detectron2.modeling.scriptable import ScriptableRCNN
from detectory.compat.detectron2.utils.events import get_event_storage
from detectory.compat.detectron2.utils.logger import log_first_n
from detectory.modeling import meta_arch as native
from detectory.structures import ImageList, Instances

__all__ = [
    "META_ARCH_REGISTRY",
    "Backbone",
    "GeneralizedRCNN",
    "ImageList",
    "Instances",
    "ProposalNetwork",
    "build_backbone",
    "build_proposal_generator",
    "build_roi_heads",
    "convert_image_to_rgb",
    "detector_postprocess",
    "get_event_storage",
    "log_first_n",
]


@META_ARCH_REGISTRY.register()
class GeneralizedRCNN(InputDevice, native.GeneralizedRCNN):
    """`detectory.modeling.meta_arch.GeneralizedRCNN` that can also be built from a config."""

    __init__ = configurable(native.GeneralizedRCNN.__init__)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRCNN(self) if type(self) is GeneralizedRCNN else self

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config."""
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, shapes),
            "roi_heads": build_roi_heads(cfg, shapes),
            "input_format": cfg.INPUT.FORMAT,
            "vis_period": cfg.VIS_PERIOD,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }


@META_ARCH_REGISTRY.register()
class ProposalNetwork(InputDevice, native.ProposalNetwork):
    """`detectory.modeling.meta_arch.ProposalNetwork` that can also be built from a config."""

    __init__ = configurable(native.ProposalNetwork.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config."""
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }
