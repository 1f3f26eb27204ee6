"""Losses of the embeddings of pixels at annotated vertices.

Source: Neverova et al., "Continuous Surface Embeddings", 2020, equations 2 to 4.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from detectory.projects.densepose.modeling.cse.geometry import normalize_embeddings, squared_euclidean_distance_matrix
from detectory.projects.densepose.structures import MeshCatalog, create_mesh

from .matched_annotations import PackedAnnotations
from .point_sampling import PointSampler


class EmbeddingLoss:
    """Cross-entropy of the annotated vertex, with scores that decrease with the distance between embeddings.

    Args:
        embdist_gauss_sigma: Squared distance at which the score is -1.
    """

    def __init__(self, embdist_gauss_sigma: float = 0.01) -> None:
        self.embdist_gauss_sigma = embdist_gauss_sigma

    def __call__(
        self, embeddings: Tensor, annotations: PackedAnnotations | None, sampler: PointSampler | None, embedder: Any
    ) -> dict[str, Tensor]:
        """Return the mean loss of the points of each mesh of the embedder; 0 for meshes without points.

        Args:
            embeddings: `(R, D, S, S)` predicted embeddings.
            annotations: The annotations of the regions; `None` without any.
            sampler: Sampler at the annotated points.
            embedder: `Embedder` of the meshes.
        """
        losses = {}
        for name in embedder.mesh_names:
            losses[name] = (embeddings.sum() + embedder(name).sum()) * 0
        if annotations is None or sampler is None:
            return losses
        assert annotations.mesh_ids is not None
        assert annotations.vertex_ids is not None
        for mesh_id in annotations.mesh_ids.unique().tolist():
            used = sampler.is_inside & (annotations.mesh_ids == mesh_id)
            if used.any():
                name = MeshCatalog.get_mesh_name(mesh_id)
                pixels = normalize_embeddings(sampler.sample(embeddings)[used])
                distances = squared_euclidean_distance_matrix(pixels, embedder(name))
                scores = distances / -self.embdist_gauss_sigma
                losses[name] = self._loss(scores, annotations.vertex_ids[used], name)
        return losses

    def _loss(self, scores: Tensor, vertex_ids: Tensor, mesh_name: str) -> Tensor:
        """Return the mean loss of scores `(P, V)` and vertices `(P,)`."""
        del mesh_name
        return F.cross_entropy(scores, vertex_ids)


class SoftEmbeddingLoss(EmbeddingLoss):
    """Cross-entropy with target probabilities that decrease with the geodesic distance from the annotated vertex.

    The distances are files of the user, see `MeshInfo`.

    Args:
        embdist_gauss_sigma: Squared distance of embeddings at which the score is -1.
        geodist_gauss_sigma: Geodesic distance at which the logarithm of the target probability is 1 lower.
    """

    def __init__(self, embdist_gauss_sigma: float = 0.01, geodist_gauss_sigma: float = 0.01) -> None:
        super().__init__(embdist_gauss_sigma)
        self.geodist_gauss_sigma = geodist_gauss_sigma

    def _loss(self, scores: Tensor, vertex_ids: Tensor, mesh_name: str) -> Tensor:
        geodesics = create_mesh(mesh_name, str(scores.device)).geodists
        targets = (geodesics[vertex_ids] / -self.geodist_gauss_sigma).softmax(1)
        return F.cross_entropy(scores, targets)
