"""Geodesic distances between points on a surface: charts with downloaded tables, or meshes.

Source: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018, section 2.2.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.checkpoint import load_pickle
from detectory.core.storage import DownloadError, local_path
from detectory.projects.densepose.structures import create_mesh

#: Folder of the published tables.
DATA_URL = "https://dl.fbaipublicfiles.com/densepose/data/"
#: Mean distance by coarse part: background, torso, hands, feet, upper legs, lower legs, upper arms, lower arms, head.
PART_DISTANCES = np.array([0.0, 0.351, 0.107, 0.126, 0.237, 0.173, 0.142, 0.128, 0.150])
#: Index in `PART_DISTANCES` by chart, 0 to 24.
PART_OF_CHART = np.array([0, 1, 1, 2, 2, 3, 3, *[4] * 4, *[5] * 4, *[6] * 4, *[7] * 4, 8, 8])
#: Mean distance on the meshes of animals.
MESH_DISTANCE = 0.255
#: The mesh that the charts cover.
HUMAN_MESH = "smpl_27554"


class ChartSurface:
    """The human body as 24 charts.

    Args:
        folder: Folder or URL with `SMPL_subdiv.mat`, `SMPL_SUBDIV_TRANSFORM.mat` and `Pdist_matrix.pkl`. They are read
            on first use.
    """

    def __init__(self, folder: str = DATA_URL) -> None:
        self.folder = folder.rstrip("/")

    def _path(self, name: str) -> str:
        message = f"{self.folder}/{name} not found. GPS requires SMPL_subdiv.mat, SMPL_SUBDIV_TRANSFORM.mat and "
        message += "Pdist_matrix.pkl, which are not part of this package"
        try:
            path = local_path(f"{self.folder}/{name}")
        except DownloadError as error:
            raise FileNotFoundError(message) from error
        if not Path(path).exists():
            raise FileNotFoundError(message)
        return path

    def _matlab(self, name: str, key: str) -> np.ndarray:
        from scipy.io import loadmat

        path = self._path(name)
        content = loadmat(path)
        if key not in content:
            raise ValueError(f"{path}: variable {key!r} is missing")
        return np.asarray(content[key]).ravel()

    @cached_property
    def uv(self) -> np.ndarray:
        """`(S, 2)` chart coordinates of the vertices of the subdivided charts."""
        return np.stack([self._matlab("SMPL_subdiv.mat", f"{name}_subdiv") for name in "UV"], axis=1).astype(np.float64)

    @cached_property
    def charts(self) -> np.ndarray:
        """`(S,)` chart of each vertex, 1 to 24."""
        return self._matlab("SMPL_subdiv.mat", "Part_ID_subdiv").astype(np.int64)

    @cached_property
    def points(self) -> np.ndarray:
        """`(S,)` index of each vertex in the distance matrix, from 0."""
        return self._matlab("SMPL_SUBDIV_TRANSFORM.mat", "index").astype(np.int64) - 1

    @cached_property
    def _distances(self) -> np.ndarray:
        path = self._path("Pdist_matrix.pkl")
        content: Any = load_pickle(path)
        if not isinstance(content, Mapping) or "Pdist_matrix" not in content:
            raise ValueError(f"{path}: entry 'Pdist_matrix' is missing")
        return np.asarray(content["Pdist_matrix"]).ravel()

    def vertices(self, charts: np.ndarray, uv: np.ndarray) -> np.ndarray:
        """Return the vertex `(P,)` of the same chart that is nearest in U and V; -1 in the background.

        Args:
            charts: `(P,)` integers, 0 for the background.
            uv: `(P, 2)`.
        """
        nearest = np.full(len(charts), -1, np.int64)
        for chart in np.unique(charts):
            candidates = np.flatnonzero(self.charts == chart)
            if chart <= 0 or not len(candidates):
                continue
            at = charts == chart
            distances = ((uv[at][:, None] - self.uv[candidates][None]) ** 2).sum(2)
            nearest[at] = candidates[distances.argmin(1)]
        return nearest

    def distances(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the geodesic distances `(P,)` between vertices; infinite if the second one is -1."""
        a, b = self.points[first], self.points[np.maximum(second, 0)]
        high, low = np.maximum(a, b), np.minimum(a, b)
        index = np.where(high == low, 0, high * (high - 1) // 2 + low)
        result = np.where(high == low, 0.0, self._distances[index].astype(np.float64))
        return np.where(second < 0, np.inf, result)

    def scales(self, vertices: np.ndarray) -> np.ndarray:
        """Return the mean distance `(P,)` of the body part of each vertex."""
        return PART_DISTANCES[PART_OF_CHART[self.charts[vertices]]]

    @cached_property
    def charts_of_points(self) -> np.ndarray:
        """Chart of each point of the distance matrix, which are the vertices of the human mesh."""
        charts = np.zeros(self.points.max() + 1, np.int64)
        charts[self.points] = self.charts
        return charts


class MeshSurfaces:
    """Geodesic distances on registered meshes.

    Args:
        charts: The human body, which provides the body parts of the human mesh.
    """

    def __init__(self, charts: ChartSurface) -> None:
        self.charts = charts

    def distances(self, mesh_name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the geodesic distances `(P,)` between vertices; infinite if the second one is -1."""
        geodesics = create_mesh(mesh_name).geodists
        result = geodesics[first, np.maximum(second, 0)].double().numpy()
        return np.where(second < 0, np.inf, result)

    def scales(self, mesh_name: str, vertices: np.ndarray) -> np.ndarray:
        """Return the mean distance `(P,)` for each vertex."""
        if mesh_name != HUMAN_MESH:
            return np.full(len(vertices), MESH_DISTANCE)
        return PART_DISTANCES[PART_OF_CHART[self.charts.charts_of_points[vertices]]]
