"""Builders of the parts of a model from a config."""

from detectory.compat.detectron2.config import CfgNode
from detectory.projects.densepose.detectron2.modeling.cse.embedder import Embedder
from detectory.projects.densepose.detectron2.modeling.registries import (
    build_densepose_head,
    build_densepose_losses,
    build_densepose_predictor,
)

__all__ = ["build_densepose_embedder", "build_densepose_head", "build_densepose_losses", "build_densepose_predictor"]


def build_densepose_embedder(cfg: CfgNode) -> Embedder | None:
    """Return the vertex embeddings of the config's meshes; `None` if there are no meshes."""
    return Embedder(cfg) if len(cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBEDDERS) else None
