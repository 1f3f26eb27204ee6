"""DetectionCheckpointer: reads Detectron2 and Caffe2 model files and broadcasts rank-0-only checkpoints."""

import logging
import os
from typing import Any
from urllib.parse import parse_qs

import torch.distributed as dist
from torch import nn

from detectory.core.checkpoint.checkpointer import Checkpointer
from detectory.core.checkpoint.load_report import LoadReport
from detectory.core.checkpoint.name_matching import match_state_dict
from detectory.core.checkpoint.readers import as_tensors, load_checkpoint_file
from detectory.core.checkpoint.search import FoundCheckpoint
from detectory.core.checkpoint.torchvision_names import convert_torchvision_resnet, is_torchvision_resnet
from detectory.core.distributed import all_gather, get_world_size, is_main_process

_logger = logging.getLogger(__name__)
# Constants that a model derives from its arguments; checkpoints of other versions may lack them or contain them.
_COMPUTED = ("pixel_mean", "pixel_std")
_CELL_ANCHORS = "anchor_generator.cell_anchors"


class DetectionCheckpointer(Checkpointer):
    """A `Checkpointer` for detection models.

    Translates names of Caffe2 and of torchvision's ResNets. Matches names that differ by a prefix if the file requests
    it (key `matching_heuristics`) or the path ends in `?matching_heuristics=True`. Broadcasts a checkpoint that only
    the main process can read.

    Args:
        model: See `Checkpointer`.
        save_dir: See `Checkpointer`.
        save_to_disk: Whether `save` writes files. By default, only the main process does.
        checkpointables: See `Checkpointer`.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str | os.PathLike[str] = "",
        *,
        save_to_disk: bool | None = None,
        **checkpointables: Any,
    ) -> None:
        writes = is_main_process() if save_to_disk is None else save_to_disk
        super().__init__(model, save_dir, save_to_disk=writes, **checkpointables)

    def load(self, path: str, checkpointables: list[str] | None = None, *, strict: bool = False) -> dict[str, Any]:
        """Load a checkpoint as `Checkpointer.load` does; rank 0 broadcasts it if other processes lack the file.

        Raises:
            FileNotFoundError: If the main process does not have the file.
        """
        if not path or get_world_size() == 1:
            return super().load(path, checkpointables, strict=strict)
        has_file = all_gather(os.path.isfile(self._local_path(_split_query(path)[0])))
        if all(has_file):
            return super().load(path, checkpointables, strict=strict)
        if not has_file[0]:
            raise FileNotFoundError(f"DetectionCheckpointer.load: {path} does not exist on the main process")
        content = super().load(path, checkpointables, strict=strict) if is_main_process() else {}
        _logger.info("%s is missing on some processes; broadcasting from the main process", path)
        return self._share(content, checkpointables)

    def _find_to_resume(self) -> FoundCheckpoint:
        """Return the checkpoint that the main process finds; other processes may lack the folder."""
        if get_world_size() == 1:
            return self.find_checkpoint()
        return all_gather(self.find_checkpoint() if is_main_process() else FoundCheckpoint())[0]

    def _share(self, content: dict[str, Any], checkpointables: list[str] | None) -> dict[str, Any]:
        for tensor in self.model.state_dict().values():
            dist.broadcast(tensor, src=0)
        for key in list(self.checkpointables) if checkpointables is None else checkpointables:
            state = all_gather(self.checkpointables[key].state_dict() if is_main_process() else None)[0]
            if not is_main_process():
                self.checkpointables[key].load_state_dict(state)
        return all_gather(content if is_main_process() else None)[0]

    def _load_file(self, path: str) -> dict[str, Any]:
        plain, uses_matching = _split_query(path)
        content = load_checkpoint_file(self._local_path(plain))
        if uses_matching:
            content["matching_heuristics"] = True
        return content

    def _has_parameter(self, suffix: str) -> bool:
        return any(name.endswith(suffix) for name, _ in self.model.named_parameters())

    def _load_model(self, content: dict[str, Any], path: str) -> LoadReport:
        author = content.pop("__author__", None)
        if is_torchvision_resnet(content["model"]) and not self._has_parameter("layer1.0.conv1.weight"):
            state = as_tensors(content["model"], f"checkpoint {path}")
            converted = convert_torchvision_resnet(state, with_classifier=self._has_parameter("linear.weight"))
            content |= {"model": converted, "matching_heuristics": True}
        if content.pop("matching_heuristics", False):
            state = as_tensors(content["model"], f"checkpoint {path}")
            content["model"] = match_state_dict(self.model.state_dict(), state, caffe2_conversion=author == "Caffe2")
        report = super()._load_model(content, path)
        names = {name for name, _ in self.model.named_buffers()}
        report.missing_keys = [key for key in report.missing_keys if not (key in _COMPUTED and key in names)]
        report.unexpected_keys = [key for key in report.unexpected_keys if _CELL_ANCHORS not in key]
        return report


def _split_query(path: str) -> tuple[str, bool]:
    """Split `?matching_heuristics=True` from a path or URL."""
    base, mark, query = path.partition("?")
    values = parse_qs(query)
    if not mark or "matching_heuristics" not in values:
        return path, False
    return base, values["matching_heuristics"] == ["True"]
