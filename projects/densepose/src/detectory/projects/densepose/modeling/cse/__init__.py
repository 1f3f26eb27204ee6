"""Continuous surface embeddings: embeddings of the vertices of meshes, and distances to those of pixels."""

from .embedder import Embedder, EmbedderSpec, VertexDirectEmbedder, VertexFeatureEmbedder
from .geometry import get_closest_vertices_mask_from_ES, normalize_embeddings, squared_euclidean_distance_matrix

__all__ = [
    "Embedder",
    "EmbedderSpec",
    "VertexDirectEmbedder",
    "VertexFeatureEmbedder",
    "get_closest_vertices_mask_from_ES",
    "normalize_embeddings",
    "squared_euclidean_distance_matrix",
]
