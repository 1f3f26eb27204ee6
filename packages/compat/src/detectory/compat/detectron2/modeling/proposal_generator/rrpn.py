"""Region proposal network for rotated boxes."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY
from detectory.compat.detectron2.modeling.proposal_generator.rpn import RPN
from detectory.modeling import proposal_generator as native
from detectory.modeling.box_regression import Box2BoxTransformRotated
from detectory.modeling.proposal_generator import find_top_rrpn_proposals

__all__ = ["RRPN", "find_top_rrpn_proposals"]


@PROPOSAL_GENERATOR_REGISTRY.register()
class RRPN(RPN, native.RRPN):
    """`detectory.modeling.proposal_generator.RRPN` that can also be built from a config."""

    __init__ = configurable(native.RRPN.__init__)
    _find_top_proposals = staticmethod(find_top_rrpn_proposals)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments of `RPN`, with a rotated box transform."""
        transform = Box2BoxTransformRotated(weights=cfg.MODEL.RPN.BBOX_REG_WEIGHTS)
        return {**super().from_config(cfg, input_shape), "box2box_transform": transform}
