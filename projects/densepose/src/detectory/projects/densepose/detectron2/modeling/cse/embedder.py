"""Vertex embeddings, built from a config."""

from detectory.compat.detectron2.config import CfgNode
from detectory.projects.densepose.modeling import cse as native
from detectory.projects.densepose.modeling.cse import VertexDirectEmbedder, VertexFeatureEmbedder

__all__ = ["Embedder", "VertexDirectEmbedder", "VertexFeatureEmbedder"]


class Embedder(native.Embedder):
    """`detectory.projects.densepose.modeling.Embedder` of the meshes in `MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBEDDERS`."""

    def __init__(self, cfg: CfgNode) -> None:
        cse = cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE
        specs = {
            name: native.EmbedderSpec(
                type=node.TYPE,
                num_vertices=node.NUM_VERTICES,
                feature_dim=node.get("FEATURE_DIM", 256),
                features_trainable=node.get("FEATURES_TRAINABLE", False),
                is_trainable=node.get("IS_TRAINABLE", True),
                init_file=node.get("INIT_FILE", ""),
            )
            for name, node in cse.EMBEDDERS.items()
        }
        super().__init__(specs, cse.EMBED_SIZE)
