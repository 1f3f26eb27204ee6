"""Distances between embeddings, and the closest vertices of pixels."""

from detectory.projects.densepose.modeling.cse.geometry import (
    get_closest_vertices_mask_from_ES,
    normalize_embeddings,
    squared_euclidean_distance_matrix,
)

__all__ = ["get_closest_vertices_mask_from_ES", "normalize_embeddings", "squared_euclidean_distance_matrix"]
