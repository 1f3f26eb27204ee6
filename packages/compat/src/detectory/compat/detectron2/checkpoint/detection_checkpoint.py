"""The checkpointer of detection models, under Detectron2's module path, with the methods that projects override."""

from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from detectory.compat.fvcore.common.checkpoint import Checkpointer, OverridableLoading
from detectory.core import checkpoint as native

__all__ = ["Checkpointer", "DetectionCheckpointer"]


class DetectionCheckpointer(OverridableLoading, native.DetectionCheckpointer):
    """`detectory.core.checkpoint.DetectionCheckpointer` with Detectron2's overridable methods.

    Only the checkpointer of a `DistributedDataParallel` model communicates with other processes: programs load the
    model of a predictor on the main process alone.
    """

    def __init__(self, model: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, *args, **kwargs)
        self._is_distributed = isinstance(model, DistributedDataParallel)

    def load(self, path: str, checkpointables: list[str] | None = None, *, strict: bool = False) -> dict[str, Any]:
        """Load a checkpoint; see `detectory.core.checkpoint.DetectionCheckpointer.load`."""
        if self._is_distributed:
            return super().load(path, checkpointables, strict=strict)
        return native.Checkpointer.load(self, path, checkpointables, strict=strict)

    def _load_file(self, filename: str) -> dict[str, Any]:
        """Read a checkpoint as a dictionary with the key "model"."""
        return self._torch_load(filename)

    def _torch_load(self, f: str) -> dict[str, Any]:
        """Read a file of any supported format."""
        return super()._load_file(f)
