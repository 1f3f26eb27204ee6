"""Catalog of surface meshes and their data: vertices, faces, geodesic distances, symmetry and texture coordinates.

The files are not part of this package. `register_mesh` describes their locations and `create_mesh` reads a file when
its content is used for the first time.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detectory.core.checkpoint import load_pickle
from detectory.core.storage import DownloadError, local_path
from detectory.core.suggestions import nearest

#: Folder of the published mesh files.
MESHES_URL = "https://dl.fbaipublicfiles.com/densepose/meshes/"


@dataclass
class MeshInfo:
    """Locations of the files of a mesh.

    Attributes:
        name: Name of the mesh, such as `"smpl_27554"`.
        data: Pickle with `vertices` `(V, 3)` and `faces` `(F, 3)`.
        geodists: Pickle with a matrix `(V, V)` of geodesic distances.
        symmetry: Pickle with `vertex_transforms` `(V,)`: the mirror image of each vertex.
        texcoords: Pickle with texture coordinates `(V, 2)`.
    """

    name: str
    data: str
    geodists: str | None = None
    symmetry: str | None = None
    texcoords: str | None = None


class _MeshCatalog(Mapping[str, MeshInfo]):
    """Registered meshes by name; ids count from 0 in the order of registration."""

    def __init__(self) -> None:
        self._meshes: dict[str, MeshInfo] = {}
        self._ids: dict[str, int] = {}

    def __getitem__(self, name: str) -> MeshInfo:
        if name not in self._meshes:
            raise KeyError(f"MeshCatalog: unknown mesh {name!r}; {nearest(name, self._meshes)}")
        return self._meshes[name]

    def __setitem__(self, name: str, info: MeshInfo) -> None:
        self._meshes[name] = info
        self._ids.setdefault(name, len(self._ids))
        create_mesh.cache_clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self._meshes)

    def __len__(self) -> int:
        return len(self._meshes)

    def get_mesh_id(self, name: str) -> int:
        """Return the id of a mesh.

        Raises:
            KeyError: If the name is unknown.
        """
        return self._ids[self[name].name]

    def get_mesh_name(self, mesh_id: int) -> str:
        """Return the name of the mesh with an id.

        Raises:
            KeyError: If the id is unknown.
        """
        for name, known in self._ids.items():
            if known == mesh_id:
                return name
        raise KeyError(f"MeshCatalog: unknown mesh id {mesh_id}, expected 0 to {len(self._ids) - 1}")


class Mesh:
    """Data of a mesh, read from its files on first use.

    Args:
        info: Locations of the files.
        device: Device of the tensors.
    """

    def __init__(self, info: MeshInfo, device: torch.device | str = "cpu") -> None:
        self.info, self.name, self.device = info, info.name, torch.device(device)
        self._read: dict[str, Any] = {}

    def _content(self, part: str) -> Any:
        if part not in self._read:
            path = getattr(self.info, part)
            if path is None:
                raise ValueError(
                    f"mesh {self.name!r} has no file with {part}. Pass {part}= to register_mesh for this mesh"
                )
            try:
                self._read[part] = load_pickle(local_path(path))
            except (FileNotFoundError, DownloadError) as error:
                raise FileNotFoundError(
                    f"mesh {self.name!r}: file with {part} not found: {path}. Mesh files are not part of this package. "
                    f"Download the file, and register its location with register_mesh"
                ) from error
        return self._read[part]

    def _tensor(self, part: str, key: str | None, dtype: torch.dtype) -> Tensor:
        content = self._content(part)
        if isinstance(content, Mapping):
            if key is None or key not in content:
                raise ValueError(f"{getattr(self.info, part)}: entry {key!r} is missing, got {sorted(content)}")
            content = content[key]
        return torch.as_tensor(np.asarray(content)).to(self.device, dtype)

    @property
    def vertices(self) -> Tensor:
        """`(V, 3)` float32 positions."""
        return self._tensor("data", "vertices", torch.float32)

    @property
    def faces(self) -> Tensor:
        """`(F, 3)` int64 vertices of each triangle."""
        return self._tensor("data", "faces", torch.int64)

    @property
    def geodists(self) -> Tensor:
        """`(V, V)` float32 geodesic distances."""
        if "matrix" not in self._read:
            self._read["matrix"] = self._tensor("geodists", None, torch.float32)
        return self._read["matrix"]

    @property
    def mirror_vertices(self) -> Tensor:
        """`(V,)` int64 mirror image of each vertex."""
        return self._tensor("symmetry", "vertex_transforms", torch.int64)

    @property
    def symmetry(self) -> dict[str, Tensor]:
        """The mirror image of each vertex by the name `"vertex_transforms"`."""
        return {"vertex_transforms": self.mirror_vertices}

    @property
    def texcoords(self) -> Tensor:
        """`(V, 2)` float32 texture coordinates in [0, 1]."""
        return self._tensor("texcoords", "texcoords", torch.float32)


def register_mesh(mesh_info: MeshInfo, base_path: str | os.PathLike[str] | None) -> None:
    """Register a mesh, or replace the locations of a registered mesh; its id stays the same.

    Args:
        mesh_info: Locations of the files.
        base_path: Folder or URL that relative locations refer to.
    """
    paths = {}
    for part in ("data", "geodists", "symmetry", "texcoords"):
        path = getattr(mesh_info, part)
        is_absolute = path is None or "://" in path or os.path.isabs(path)
        paths[part] = path if is_absolute or base_path is None else f"{str(base_path).rstrip('/')}/{path}"
    MeshCatalog[mesh_info.name] = MeshInfo(mesh_info.name, **paths)


@lru_cache
def create_mesh(mesh_name: str, device: torch.device | str | None = None) -> Mesh:
    """Return the data of a registered mesh.

    Args:
        mesh_name: A name in `MeshCatalog`.
        device: Device of the tensors; the CPU by default.

    Raises:
        KeyError: If the name is unknown.
    """
    return Mesh(MeshCatalog[mesh_name], device or "cpu")


MeshCatalog = _MeshCatalog()

#: Published meshes, in the order of their ids, and the mesh that provides the texture coordinates.
PUBLISHED_MESHES = {
    "smpl_27554": "smpl_27554",
    "chimp_5029": "chimp_5029",
    "cat_5001": "cat_5001",
    "cat_7466": "cat_7466",
    "sheep_5004": "sheep_5004",
    "zebra_5002": "zebra_5002",
    "horse_5004": "zebra_5002",
    "giraffe_5002": "giraffe_5002",
    "elephant_5002": "elephant_5002",
    "dog_5002": "dog_5002",
    "dog_7466": "dog_7466",
    "cow_5002": "cow_5002",
    "bear_4936": "bear_4936",
}
for _name, _texture in PUBLISHED_MESHES.items():
    register_mesh(
        MeshInfo(
            name=_name,
            data=f"{_name}.pkl",
            geodists=f"geodists/geodists_{_name}.pkl",
            symmetry=f"symmetry/symmetry_{_name}.pkl",
            texcoords=f"texcoords/texcoords_{_texture}.pkl",
        ),
        MESHES_URL,
    )
