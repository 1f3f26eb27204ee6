"""Distances between embeddings, and the closest vertices of pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F


def normalize_embeddings(embeddings: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Return the rows of `(N, D)` scaled to norm 1; rows with a norm below `epsilon` are divided by `epsilon`."""
    return embeddings / embeddings.norm(dim=1, keepdim=True).clamp(min=epsilon)


def squared_euclidean_distance_matrix(pts1: Tensor, pts2: Tensor) -> Tensor:
    """Return the squared distances `(N, M)` between points `(N, D)` and `(M, D)`."""
    squares = (pts1 * pts1).sum(1)[:, None] + (pts2 * pts2).sum(1)[None]
    return (squares - 2 * pts1 @ pts2.T).clamp(min=0)


def get_closest_vertices_mask_from_ES(
    E: Tensor, S: Tensor, h: int, w: int, mesh_vertex_embeddings: Tensor, device: torch.device, chunk_size: int = 10_000
) -> tuple[Tensor, Tensor]:
    """Return the closest vertex of every pixel of a box, and the foreground.

    Args:
        E: `(1, D, S, S)` embeddings of the pixels.
        S: `(1, 2, S, S)` logits of background and foreground.
        h: Height of the box in pixels.
        w: Width of the box in pixels.
        mesh_vertex_embeddings: `(V, D)` with norm 1.
        device: Device of the result.
        chunk_size: Number of pixels whose distances are computed at the same time.

    Returns:
        `(h, w)` int64 ids of vertices, 0 in the background, and the `(h, w)` bool foreground.
    """
    embeddings = F.interpolate(E, size=(h, w), mode="bilinear", align_corners=False)[0].to(device)
    scores = F.interpolate(S, size=(h, w), mode="bilinear", align_corners=False)[0]
    mask = (scores.argmax(0) > 0).to(device)
    pixels = normalize_embeddings(embeddings[:, mask].T)
    vertices = torch.zeros((h, w), dtype=torch.long, device=device)
    nearest = [
        squared_euclidean_distance_matrix(part, mesh_vertex_embeddings.to(device)).argmin(1)
        for part in pixels.split(chunk_size)
    ]
    vertices[mask] = torch.cat(nearest) if nearest else vertices.new_zeros(0)
    return vertices, mask
