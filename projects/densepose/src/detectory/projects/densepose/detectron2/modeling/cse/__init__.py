"""Continuous surface embeddings."""

from .embedder import Embedder, VertexDirectEmbedder, VertexFeatureEmbedder

__all__ = ["Embedder", "VertexDirectEmbedder", "VertexFeatureEmbedder"]
