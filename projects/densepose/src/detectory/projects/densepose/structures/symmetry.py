"""Left-right symmetries of the body parts, the charts, and their coordinates.

Source: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018, section 2.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detectory.core.storage import local_path

#: The coarse part of the mirrored person, by coarse part; 0 is the background.
MASK_LABEL_SYMMETRIES = [0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14]
#: The chart of the mirrored person, by chart; 0 is the background, charts 1 and 2 are the torso.
POINT_LABEL_SYMMETRIES = [0, 1, 2, *(label for pair in range(3, 25, 2) for label in (pair + 1, pair))]


class DensePoseTransformData:
    """Tables that map labels and coordinates of a point to those of its mirror image.

    Args:
        uv_symmetries: `"U_transforms"` and `"V_transforms"`, each `(24, 256, 256)`: U or V of the mirror image of a
            point, by chart - 1, V * 255 and U * 255.
        device: Device of the tables.
    """

    MASK_LABEL_SYMMETRIES = MASK_LABEL_SYMMETRIES
    POINT_LABEL_SYMMETRIES = POINT_LABEL_SYMMETRIES

    def __init__(self, uv_symmetries: Mapping[str, Tensor], device: torch.device) -> None:
        self.mask_label_symmetries = MASK_LABEL_SYMMETRIES
        self.point_label_symmetries = POINT_LABEL_SYMMETRIES
        self.uv_symmetries = {name: table.to(device) for name, table in uv_symmetries.items()}
        self.device = torch.device(device)

    def to(self, device: torch.device, copy: bool = False) -> "DensePoseTransformData":
        """Return the tables on a device; the same object if the device is the same and `copy` is false."""
        if self.device == torch.device(device) and not copy:
            return self
        tables = {name: table.to(device, copy=copy) for name, table in self.uv_symmetries.items()}
        return DensePoseTransformData(tables, device)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "DensePoseTransformData":
        """Read the tables from a MATLAB file such as `UV_symmetry_transforms.mat`.

        Args:
            path: Path or URL of a file with the variables `U_transforms` and `V_transforms`. Each is a cell array of
                one 256 x 256 table per chart.

        Raises:
            ValueError: If a variable is missing or has another shape.
        """
        from scipy.io import loadmat

        content = loadmat(local_path(str(path)))
        tables = {}
        for name in ("U_transforms", "V_transforms"):
            if name not in content:
                raise ValueError(f"{path}: variable {name!r} is missing")
            tables[name] = torch.from_numpy(_stacked(content[name]).astype(np.float32))
            if tables[name].shape != (24, 256, 256):
                raise ValueError(f"{path}: {name!r} must have shape (24, 256, 256), got {tuple(tables[name].shape)}")
        return DensePoseTransformData(tables, torch.device("cpu"))

    def mirrored_uv(self, part: int, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return U and V of the mirror images of points of one chart.

        Args:
            part: Chart, 1 to 24.
            u: Coordinates in [0, 1], any shape.
            v: Coordinates in [0, 1], same shape.
        """
        column, row = ((value * 255).clamp(0, 255).long() for value in (u, v))
        tables = self.uv_symmetries
        return tables["U_transforms"][part - 1, row, column], tables["V_transforms"][part - 1, row, column]


def _stacked(cells: Any) -> np.ndarray:
    """Return a cell array of tables, or an array, as one array."""
    cells = np.asarray(cells)
    return np.stack([np.asarray(cell, np.float64) for cell in cells.ravel()]) if cells.dtype == object else cells
