"""DetectionCheckpointer also reads Detectron2's and Caffe2's model files, and shares what only one process has."""

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
from detectory.core.distributed import all_gather, get_world_size, is_main_process

_logger = logging.getLogger(__name__)
# Values that a model computes from its arguments; files of another version may lack or carry them.
_COMPUTED = ("pixel_mean", "pixel_std")
_CELL_ANCHORS = "anchor_generator.cell_anchors"


class DetectionCheckpointer(Checkpointer):
    """A `Checkpointer` for detection models.

    It translates Caffe2's names, matches names that differ by a prefix where a file asks for it
    (`matching_heuristics`, or `?matching_heuristics=True` behind the path), and broadcasts a checkpoint that only
    the main process can read.

    Args:
        model: As of `Checkpointer`.
        save_dir: As of `Checkpointer`.
        save_to_disk: By default only the main process writes.
        checkpointables: As of `Checkpointer`.
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

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict[str, Any]:
        """Load as `Checkpointer.load`; a file that only the main process has reaches all processes.

        Raises:
            FileNotFoundError: the main process does not have the file either.
        """
        if not path or get_world_size() == 1:
            return super().load(path, checkpointables)
        have_it = all_gather(os.path.isfile(self._local_path(_split_query(path)[0])))
        if all(have_it):
            return super().load(path, checkpointables)
        if not have_it[0]:
            raise FileNotFoundError(f"DetectionCheckpointer.load: the main process has no file at {path}")
        content = super().load(path, checkpointables) if is_main_process() else {}
        _logger.info("only some processes have %s: the main process sends its values to all", path)
        return self._share(content, checkpointables)

    def _share(self, content: dict[str, Any], checkpointables: list[str] | None) -> dict[str, Any]:
        for tensor in self.model.state_dict().values():
            dist.broadcast(tensor, src=0)
        for key in list(self.checkpointables) if checkpointables is None else checkpointables:
            state = all_gather(self.checkpointables[key].state_dict() if is_main_process() else None)[0]
            if not is_main_process():
                self.checkpointables[key].load_state_dict(state)
        return all_gather(content if is_main_process() else None)[0]

    def _load_file(self, path: str) -> dict[str, Any]:
        plain, wants_matching = _split_query(path)
        content = load_checkpoint_file(self._local_path(plain))
        if wants_matching:
            content["matching_heuristics"] = True
        return content

    def _load_model(self, content: dict[str, Any], path: str) -> LoadReport:
        author = content.pop("__author__", None)
        if content.pop("matching_heuristics", False):
            state = as_tensors(content["model"], f"checkpoint {path}")
            content["model"] = match_state_dict(self.model.state_dict(), state, caffe2_conversion=author == "Caffe2")
        report = super()._load_model(content, path)
        names = {name for name, _ in self.model.named_buffers()}
        report.missing_keys = [key for key in report.missing_keys if not (key in _COMPUTED and key in names)]
        report.unexpected_keys = [key for key in report.unexpected_keys if _CELL_ANCHORS not in key]
        return report


def _split_query(path: str) -> tuple[str, bool]:
    """Take `?matching_heuristics=True` off a path or an address."""
    base, mark, query = path.partition("?")
    values = parse_qs(query)
    if not mark or "matching_heuristics" not in values:
        return path, False
    return base, values["matching_heuristics"] == ["True"]
