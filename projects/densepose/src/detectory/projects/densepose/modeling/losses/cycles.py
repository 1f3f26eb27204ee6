"""Cycle losses: a walk from a mesh or an image to a mesh and back must end close to its start.

Source: Neverova et al., "Discovering Relationships between Object Categories via Universal Canonical Maps", 2021,
    section 3.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.projects.densepose.modeling.cse.geometry import normalize_embeddings, squared_euclidean_distance_matrix
from detectory.projects.densepose.structures import MeshCatalog, create_mesh
from detectory.structures import Instances

from .matched_annotations import PackedAnnotations
from .segmentation import masks_of_regions


def _random_indices(count: int, max_count: int, device: torch.device) -> Tensor:
    """Return `max_count` random indices below `count`, or all indices if there are not more."""
    if count <= max_count:
        return torch.arange(count, device=device)
    return torch.randperm(count, device=device)[:max_count]


def _cycle(similarity: Tensor, temperature_there: float, temperature_back: float) -> Tensor:
    """Return the probabilities `(N, N)` of a walk over `similarity` `(N, M)` and back."""
    there = (similarity / temperature_there).softmax(1)
    back = (similarity.T / temperature_back).softmax(1)
    return there @ back


class ShapeToShapeCycleLoss:
    """Geodesic length of walks between a random pair of meshes.

    Args:
        shape_names: Names of the meshes.
        max_num_vertices: Maximum number of random vertices of each mesh.
        temperature: Temperature of the transition probabilities.
        norm_p: Exponent of the norm over all walks.
    """

    def __init__(
        self, shape_names: Sequence[str], max_num_vertices: int = 4936, temperature: float = 0.05, norm_p: float = 2
    ) -> None:
        self.pairs = list(itertools.combinations(shape_names, 2))
        random.shuffle(self.pairs)
        self.next = 0
        self.max_num_vertices, self.temperature, self.norm_p = max_num_vertices, temperature, norm_p

    def __call__(self, embedder: Any) -> Tensor:
        """Return the loss of the next pair, or 0 if there is only one mesh."""
        if not self.pairs:
            return sum((p.sum() for p in embedder.parameters()), torch.zeros(())) * 0
        if self.next == len(self.pairs):
            random.shuffle(self.pairs)
            self.next = 0
        pair = self.pairs[self.next]
        self.next += 1
        (first, distances_1), (second, distances_2) = (self._sampled(name, embedder) for name in pair)
        similarity = first @ second.T
        forward = _cycle(similarity, self.temperature, self.temperature)
        backward = _cycle(similarity.T, self.temperature, self.temperature)
        return (distances_1 * forward).norm(p=self.norm_p) + (distances_2 * backward).norm(p=self.norm_p)

    def _sampled(self, name: str, embedder: Any) -> tuple[Tensor, Tensor]:
        """Return embeddings and geodesic distances of random vertices."""
        embeddings = embedder(name)
        indices = _random_indices(len(embeddings), self.max_num_vertices, embeddings.device)
        geodesics = create_mesh(name, str(embeddings.device)).geodists
        return embeddings[indices], geodesics[indices][:, indices]


class PixToShapeCycleLoss:
    """Squared length in the image of walks from foreground pixels to a mesh and back.

    Args:
        shape_names: Names of the meshes.
        num_pixels_to_sample: Maximum number of random foreground pixels per region.
        temperature_pix_to_vertex: Temperature of the walk to the mesh.
        temperature_vertex_to_pix: Temperature of the walk back.
        use_all_shapes: Whether to walk to all meshes instead of those of the annotations.
        norm_p: Exponent of the norm over all walks.
    """

    def __init__(
        self,
        shape_names: Sequence[str],
        num_pixels_to_sample: int = 100,
        temperature_pix_to_vertex: float = 0.05,
        temperature_vertex_to_pix: float = 0.05,
        use_all_shapes: bool = False,
        norm_p: float = 2,
    ) -> None:
        self.shape_names = list(shape_names)
        self.num_pixels_to_sample = num_pixels_to_sample
        self.temperatures = temperature_pix_to_vertex, temperature_vertex_to_pix
        self.use_all_shapes = use_all_shapes
        self.norm_p = norm_p

    def __call__(
        self, output: Any, annotations: PackedAnnotations | None, proposals: Sequence[Instances], embedder: Any
    ) -> Tensor:
        """Return the mean over regions and meshes.

        Args:
            output: `DensePoseEmbeddingPredictorOutput` of the regions.
            annotations: The annotations of the regions.
            proposals: Foreground proposals with `proposal_boxes` and `gt_masks`.
            embedder: `Embedder` of the meshes.
        """
        names = self.shape_names
        if not self.use_all_shapes:
            ids = [] if annotations is None or annotations.mesh_ids is None else annotations.mesh_ids.unique().tolist()
            names = [MeshCatalog.get_mesh_name(mesh_id) for mesh_id in ids]
        side = output.embedding.shape[2]
        masks = masks_of_regions(proposals, side)
        losses = []
        if masks is not None:
            shapes = [embedder(name) for name in names]
            for mask, region in zip(masks[0], masks[1].tolist(), strict=True):
                losses += [self._loss(output.embedding[region], mask, shape) for shape in shapes]
        return torch.stack(losses).mean() if losses else output.embedding.sum() * 0

    def _loss(self, embedding: Tensor, mask: Tensor, shape: Tensor) -> Tensor:
        """Return the loss of one region with `embedding` `(D, S, S)` and one mesh."""
        pixels = mask.flatten().nonzero()[:, 0]
        pixels = pixels[_random_indices(len(pixels), self.num_pixels_to_sample, pixels.device)]
        width = embedding.shape[2]
        positions = torch.stack((pixels // width, pixels % width), dim=1).to(embedding.dtype)
        distances = squared_euclidean_distance_matrix(positions, positions)
        similarity = normalize_embeddings(embedding.flatten(1)[:, pixels].T) @ shape.T
        return (distances * _cycle(similarity, *self.temperatures)).norm(p=self.norm_p)
