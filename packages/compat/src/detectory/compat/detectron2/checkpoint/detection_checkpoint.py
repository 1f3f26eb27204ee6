"""The checkpointer of detection models, under Detectron2's module path, with the methods that projects override."""

from typing import Any

from detectory.compat.fvcore.common.checkpoint import Checkpointer, OverridableLoading
from detectory.core import checkpoint as native

__all__ = ["Checkpointer", "DetectionCheckpointer"]


class DetectionCheckpointer(OverridableLoading, native.DetectionCheckpointer):
    """`detectory.core.checkpoint.DetectionCheckpointer` with Detectron2's overridable methods."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        """Read a checkpoint as a dictionary with the key "model"."""
        return self._torch_load(filename)

    def _torch_load(self, f: str) -> dict[str, Any]:
        """Read a file of any supported format."""
        return super()._load_file(f)
