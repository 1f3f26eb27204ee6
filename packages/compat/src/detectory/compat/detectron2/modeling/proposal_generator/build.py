"""The registry of proposal generators."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.utils.registry import Registry

PROPOSAL_GENERATOR_REGISTRY = Registry("PROPOSAL_GENERATOR")


def build_proposal_generator(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> Any:
    """Build the generator named by `MODEL.PROPOSAL_GENERATOR.NAME`; None for `"PrecomputedProposals"`."""
    name = cfg.MODEL.PROPOSAL_GENERATOR.NAME
    if name == "PrecomputedProposals":
        return None
    return PROPOSAL_GENERATOR_REGISTRY.get(name)(cfg, input_shape)
