"""Embeddings of the vertices of meshes.

Source: Neverova et al., "Continuous Surface Embeddings", 2020, sections 3 and 4.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectory.core.checkpoint import load_pickle
from detectory.core.storage import local_path

from .geometry import normalize_embeddings


@dataclass
class EmbedderSpec:
    """Settings of the embeddings of one mesh.

    Attributes:
        type: `"vertex_direct"` for one free vector per vertex, `"vertex_feature"` for a linear map of features.
        num_vertices: Number of vertices.
        feature_dim: Number of features per vertex; only for `"vertex_feature"`.
        features_trainable: Whether the features are parameters instead of constants.
        is_trainable: Whether the embeddings are trained.
        init_file: Path or URL of a pickle with `features` or `embeddings`; empty for random values.
    """

    type: str
    num_vertices: int
    feature_dim: int = 256
    features_trainable: bool = False
    is_trainable: bool = True
    init_file: str = ""


class VertexDirectEmbedder(nn.Module):
    """One free vector per vertex.

    Args:
        num_vertices: Number of vertices, `V`.
        embed_dim: Dimension of the embeddings, `D`.
    """

    def __init__(self, num_vertices: int, embed_dim: int) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(torch.empty(num_vertices, embed_dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the vectors uniformly from [-0.5, 0.5]."""
        self.embeddings.uniform_(-0.5, 0.5)

    def forward(self) -> Tensor:
        """Return the vectors `(V, D)` with norm 1."""
        return normalize_embeddings(self.embeddings)

    @torch.no_grad()
    def load(self, fpath: str | os.PathLike[str]) -> None:
        """Read `embeddings` `(V, D)` from a pickle; see `load_entries`."""
        load_entries(self, fpath, ("embeddings",))


class VertexFeatureEmbedder(nn.Module):
    """A linear map of vertex features, such as eigenfunctions of the Laplace-Beltrami operator.

    Args:
        num_vertices: Number of vertices, `V`.
        feature_dim: Number of features per vertex, `F`.
        embed_dim: Dimension of the embeddings, `D`.
        train_features: Whether the features are parameters instead of constants.
    """

    def __init__(self, num_vertices: int, feature_dim: int, embed_dim: int, train_features: bool = False) -> None:
        super().__init__()
        features = torch.empty(num_vertices, feature_dim)
        if train_features:
            self.features: Any = nn.Parameter(features)
        else:
            self.register_buffer("features", features)
        self.embeddings = nn.Parameter(torch.empty(feature_dim, embed_dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw features and the linear map uniformly from [-0.5, 0.5]."""
        self.features.uniform_(-0.5, 0.5)
        self.embeddings.uniform_(-0.5, 0.5)

    def forward(self) -> Tensor:
        """Return the vectors `(V, D)` with norm 1."""
        return normalize_embeddings(self.features @ self.embeddings)

    @torch.no_grad()
    def load(self, fpath: str | os.PathLike[str]) -> None:
        """Read `features` `(V, F)`, `embeddings` `(F, D)` or both from a pickle; see `load_entries`."""
        load_entries(self, fpath, ("features", "embeddings"))


def load_entries(module: nn.Module, path: str | os.PathLike[str], names: tuple[str, ...]) -> None:
    """Copy the entries of a pickled dict to the tensors of a module with the same names.

    Args:
        module: An embedder; modified in place.
        path: Path or URL of the pickle.
        names: Names of the entries; missing entries are skipped.

    Raises:
        ValueError: If no entry exists or a shape differs.
    """
    content = load_pickle(local_path(str(path)))
    found = [name for name in names if isinstance(content, Mapping) and name in content]
    if not found:
        raise ValueError(f"{path}: expected an entry {' or '.join(map(repr, names))} with values per vertex")
    for name in found:
        tensor, values = getattr(module, name), torch.as_tensor(np.asarray(content[name]))
        if values.shape != tensor.shape:
            raise ValueError(f"{path}: {name!r} must have shape {tuple(tensor.shape)}, got {tuple(values.shape)}")
        tensor.data.copy_(values)


class Embedder(nn.Module):
    """The vertex embeddings of all meshes of a model.

    Args:
        specs: Settings by name of the mesh.
        embed_size: Dimension of the embeddings, `D`.
    """

    def __init__(self, specs: Mapping[str, EmbedderSpec], embed_size: int = 16) -> None:
        super().__init__()
        self.mesh_names = list(specs)
        for name, spec in specs.items():
            embedder: nn.Module
            if spec.type == "vertex_direct":
                embedder = VertexDirectEmbedder(spec.num_vertices, embed_size)
            elif spec.type == "vertex_feature":
                embedder = VertexFeatureEmbedder(
                    spec.num_vertices, spec.feature_dim, embed_size, spec.features_trainable
                )
            else:
                raise ValueError(
                    f"Embedder: type of mesh {name!r} must be 'vertex_direct' or 'vertex_feature', got {spec.type!r}"
                )
            if spec.init_file:
                embedder.load(spec.init_file)
            if not spec.is_trainable:
                embedder.requires_grad_(False)
            self.add_module(f"embedder_{name}", embedder)

    @property
    def has_embeddings(self) -> bool:
        """Whether there is a mesh."""
        return bool(self.mesh_names)

    def forward(self, mesh_name: str) -> Tensor:
        """Return the vectors `(V, D)` of a mesh, with norm 1.

        Raises:
            ValueError: If the model has no embeddings of this mesh.
        """
        if mesh_name not in self.mesh_names:
            raise ValueError(f"Embedder: no embeddings of mesh {mesh_name!r}, the meshes are {self.mesh_names}")
        return getattr(self, f"embedder_{mesh_name}")()
