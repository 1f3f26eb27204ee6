"""Annotation of one object: points on its surface, and a segmentation of its box."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detectory.data.transforms import HFlipTransform, ResizeTransform, ScaleTransform
from detectory.structures import rle_to_bitmask

from .mesh import MeshCatalog, create_mesh
from .symmetry import DensePoseTransformData

#: The box of an annotated object is divided into 256 x 256 cells; points and masks refer to them.
MASK_SIZE = 256
NUM_COARSE_PARTS = 14


class DensePoseDataRelative:
    """Annotated points of an object, relative to its box, which counts as 256 x 256.

    Args:
        annotation: Fields of an annotation in DensePose's JSON files: `dp_x`, `dp_y`, then `dp_I`, `dp_U`, `dp_V` for
            charts or `dp_vertex`, `ref_model` for a mesh, and optionally `dp_masks` or `segmentation`.
        cleanup: Whether to remove the fields of DensePose from `annotation`.

    Attributes:
        x: `(P,)` float32, in [0, 256).
        y: `(P,)` float32, in [0, 256).
        i: `(P,)` float32 chart labels, 1 to 24. Only for charts, as are `u` and `v`.
        u: `(P,)` float32 in [0, 1].
        v: `(P,)` float32 in [0, 1].
        vertex_ids: `(P,)` int64 ids of vertices. Only for meshes, as is `mesh_id`.
        mesh_id: Index of the mesh in `MeshCatalog`.
        segm: `(256, 256)` float32: 0 background, 1 to 14 coarse parts; `None` without `dp_masks`.
    """

    X_KEY, Y_KEY, U_KEY, V_KEY, I_KEY = "dp_x", "dp_y", "dp_U", "dp_V", "dp_I"
    S_KEY, VERTEX_IDS_KEY, MESH_NAME_KEY = "dp_masks", "dp_vertex", "ref_model"
    N_BODY_PARTS = NUM_COARSE_PARTS
    N_PART_LABELS = 24
    MASK_SIZE = MASK_SIZE

    def __init__(self, annotation: Any, cleanup: bool = False) -> None:
        self.x = torch.as_tensor(annotation["dp_x"], dtype=torch.float32)
        self.y = torch.as_tensor(annotation["dp_y"], dtype=torch.float32)
        if "dp_vertex" in annotation:
            self.vertex_ids = torch.as_tensor(annotation["dp_vertex"], dtype=torch.int64)
            self.mesh_id = MeshCatalog.get_mesh_id(annotation["ref_model"])
        else:
            self.i = torch.as_tensor(annotation["dp_I"], dtype=torch.float32)
            self.u = torch.as_tensor(annotation["dp_U"], dtype=torch.float32)
            self.v = torch.as_tensor(annotation["dp_V"], dtype=torch.float32)
        self.segm = self.extract_segmentation_mask(annotation)
        self.device = torch.device("cpu")
        if cleanup:
            self.cleanup_annotation(annotation)

    def is_chart_based(self) -> bool:
        """Return whether the points have chart coordinates instead of vertices."""
        return hasattr(self, "i")

    def to(self, device: torch.device) -> "DensePoseDataRelative":
        """Return the annotation on a device; the same object if the device is the same."""
        if self.device == torch.device(device):
            return self
        moved = object.__new__(DensePoseDataRelative)
        for name, value in vars(self).items():
            setattr(moved, name, value.to(device) if isinstance(value, Tensor) else value)
        moved.device = torch.device(device)
        return moved

    @staticmethod
    def extract_segmentation_mask(annotation: Mapping[str, Any]) -> Tensor | None:
        """Return the coarse parts `(256, 256)` of an annotation; `None` if it has no `dp_masks`.

        Later parts replace earlier ones where they overlap. A single mask instead of a list is the foreground.
        """
        masks = annotation.get("dp_masks")
        if masks is None:
            return None
        segm = torch.zeros((MASK_SIZE, MASK_SIZE), dtype=torch.float32)
        for label, mask in enumerate([masks] if isinstance(masks, dict) else masks, 1):
            if mask:
                bits = np.ascontiguousarray(rle_to_bitmask(mask, max_pixels=MASK_SIZE**2))
                if bits.shape != segm.shape:
                    raise ValueError(f"dp_masks: mask {label} must have size [256, 256], got {list(bits.shape)}")
                segm[torch.from_numpy(bits).bool()] = label
        return segm

    @staticmethod
    def validate_annotation(annotation: Mapping[str, Any]) -> tuple[bool, str]:
        """Return whether an annotation has the fields of DensePose, and otherwise the reason."""
        required = ["dp_x", "dp_y"]
        is_mesh = "dp_vertex" in annotation
        required += ["dp_vertex", "ref_model"] if is_mesh else ["dp_I", "dp_U", "dp_V"]
        for key in required:
            if key not in annotation:
                return False, f"missing field {key!r}"
        if not is_mesh and "dp_masks" not in annotation and "segmentation" not in annotation:
            return False, "missing field 'dp_masks' or 'segmentation'"
        return True, ""

    @staticmethod
    def cleanup_annotation(annotation: dict[str, Any]) -> None:
        """Remove the fields of DensePose from an annotation."""
        for key in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "dp_masks", "dp_vertex", "ref_model"):
            annotation.pop(key, None)

    def apply_transform(self, transforms: Any, densepose_transform_data: DensePoseTransformData | None) -> None:
        """Transform the annotation with its image, in place.

        Resizing does not change coordinates that are relative to the box. A horizontal flip mirrors the points, swaps
        left and right parts, and maps chart coordinates or vertices to their mirror images.

        Args:
            transforms: The transforms that were applied to the image, a `TransformList`.
            densepose_transform_data: Symmetries; required to flip charts.

        Raises:
            ValueError: If a transform is not supported, or a flip lacks the symmetries.
        """
        flips = 0
        for transform in getattr(transforms, "transforms", transforms):
            if isinstance(transform, HFlipTransform):
                flips += 1
            elif not (isinstance(transform, ResizeTransform | ScaleTransform) or _keeps_coordinates(transform)):
                raise ValueError(
                    f"DensePoseDataRelative.apply_transform: {type(transform).__name__} is not supported. Points are "
                    "relative to the box of the object, which only resizing and horizontal flips keep"
                )
        if flips % 2:
            self._mirror(densepose_transform_data)

    def _mirror(self, symmetries: DensePoseTransformData | None) -> None:
        self.x = MASK_SIZE - self.x
        if self.segm is not None:
            labels = torch.tensor(DensePoseTransformData.MASK_LABEL_SYMMETRIES, dtype=self.segm.dtype)
            self.segm = labels.to(self.segm.device)[self.segm.flip(1).long()]
        if not self.is_chart_based():
            name = MeshCatalog.get_mesh_name(self.mesh_id)
            self.vertex_ids = create_mesh(name, str(self.vertex_ids.device)).mirror_vertices[self.vertex_ids]
            return
        if symmetries is None:
            raise ValueError(
                "DensePoseDataRelative.apply_transform: a horizontal flip requires the symmetries of the charts "
                "(UV_symmetry_transforms.mat). Load them with DensePoseTransformData.load, or disable random flips"
            )
        labels = torch.tensor(symmetries.point_label_symmetries, dtype=self.i.dtype, device=self.i.device)
        charts = self.i.long()
        u, v = self.u.clone(), self.v.clone()
        for part in charts.unique().tolist():
            if part > 0:
                at = charts == part
                u[at], v[at] = symmetries.mirrored_uv(part, self.u[at], self.v[at])
        self.i, self.u, self.v = labels[charts], u, v


def _keeps_coordinates(transform: Any) -> bool:
    """Return whether a transform changes colors only."""
    probe = np.array([[0.0, 0.0], [7.0, 3.0]])
    return np.array_equal(transform.apply_coords(probe.copy()), probe)
