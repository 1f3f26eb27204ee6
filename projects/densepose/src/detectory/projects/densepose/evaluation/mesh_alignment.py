"""Consistency of the vertex embeddings of different meshes at annotated key vertices.

Source: Neverova et al., "Discovering Relationships between Object Categories via Universal Canonical Maps", 2021,
    section 4.
"""

from collections.abc import Sequence
from typing import Any

import torch

from detectory.core.storage import DownloadError, local_path, read_json
from detectory.projects.densepose.modeling.cse import squared_euclidean_distance_matrix
from detectory.projects.densepose.structures import create_mesh

from .surfaces import MESH_DISTANCE


@torch.no_grad()
def mesh_alignment(embedder: Any, mesh_names: Sequence[str], data_url: str) -> dict[str, float]:
    """Return the mean error between the key vertices of each pair of meshes, times 100.

    For each key vertex of the first mesh, the vertex of the second mesh with the most similar embedding is compared
    with the key vertex of the same name.

    Args:
        embedder: Vertex embeddings.
        mesh_names: The meshes.
        data_url: Folder or URL with `cse/mesh_keyvertices_v0.json`, a dict from mesh to a dict from name to vertex.

    Returns:
        `GE`, the geodesic error, and `GPS`, its similarity.
    """
    path = f"{data_url.rstrip('/')}/cse/mesh_keyvertices_v0.json"
    try:
        keys = read_json(local_path(path))
    except (FileNotFoundError, DownloadError) as error:
        raise FileNotFoundError(f"{path} not found. The mesh alignment requires this file with key vertices") from error
    errors, similarities = [], []
    for first in mesh_names:
        for second in mesh_names:
            if first == second or first not in keys or second not in keys:
                continue
            shared = [name for name in keys[first] if name in keys[second]]
            if not shared:
                continue
            source = torch.tensor([int(keys[first][name]) for name in shared])
            target = torch.tensor([int(keys[second][name]) for name in shared])
            nearest = squared_euclidean_distance_matrix(embedder(first)[source].cpu(), embedder(second).cpu()).argmin(1)
            distances = create_mesh(second).geodists[target, nearest]
            errors.append(distances.mean().item())
            similarities.append(torch.exp(-(distances**2) / (2 * MESH_DISTANCE**2)).mean().item())
    count = max(len(errors), 1)
    return {"GE": 100 * sum(errors) / count, "GPS": 100 * sum(similarities) / count}
