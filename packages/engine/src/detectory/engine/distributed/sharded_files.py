"""Checkpoint folders of `ShardedCheckpointer`: search, integrity, safe metadata, and reading in a single process."""

import contextlib
import dataclasses
import enum
import importlib
import os
import pickle
import re
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta

from detectory.core.checkpoint import CheckpointError, FoundCheckpoint, checkpoint_problem, load_checkpoint_file

#: Name of the file with the name of the newest checkpoint folder.
TAG = "last_sharded_checkpoint"
#: Name of the file with everything but the tensors.
REST = "rest.pth"
_METADATA_MODULES = ("torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem")


def is_sharded_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a checkpoint folder of `ShardedCheckpointer`."""
    return (Path(path) / REST).is_file()


def find_sharded_checkpoint(folder: str | os.PathLike[str]) -> FoundCheckpoint:
    """Return the folder named in `last_sharded_checkpoint` if it is intact, else the newest intact one."""
    folder = Path(folder)
    tag = folder / TAG
    name = tag.read_text(encoding="utf-8").strip() if tag.is_file() else ""
    others = [path for path in numbered_folders(folder) if path.name != name]
    skipped = [] if name or not others else [f"{TAG} is {'empty' if tag.is_file() else 'missing'}"]
    for path in [folder / name] * bool(name) + others[::-1]:
        problem = _problem(path)
        if problem is None:
            return FoundCheckpoint(path, tuple(skipped))
        skipped.append(f"{path.name} {problem}")
    return FoundCheckpoint(None, tuple(skipped))


def load_sharded_model(model: nn.Module, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Load the weights of a checkpoint folder into a model that is not sharded; needs no process group.

    Args:
        model: The model.
        folder: A checkpoint folder of any number of processes.

    Returns:
        The remaining content: the `kwargs` passed to `save`, and the registered objects.

    Raises:
        CheckpointError: If the folder is corrupt, or belongs to another model.
    """
    rest = load_checkpoint_file(Path(folder) / REST)["model"]
    state = {"model": model.state_dict()}
    try:
        dcp.load(state, storage_reader=ShardReader(folder), no_dist=True)
    except (Exception, CheckpointException) as error:
        raise CheckpointError(f"load_sharded_model: {folder}: {one_line(error)}") from error
    model.load_state_dict(state["model"])
    if "classes" in rest:
        cast("Any", model).trained_classes = rest["classes"]
    return {key: value for key, value in rest.items() if key not in ("trainer", "param_groups")}


def numbered_folders(folder: Path) -> list[Path]:
    """Return the checkpoint folders with an iteration in their name, the newest last."""
    paths = folder.iterdir() if folder.is_dir() else ()
    numbered = [path for path in paths if path.is_dir() and re.search(r"_\d{7,}$", path.name)]
    return sorted(numbered, key=lambda path: int(path.name.rpartition("_")[2]))


def _problem(folder: Path) -> str | None:
    """Return why a checkpoint folder cannot be loaded, or None if all its files have their full size."""
    if not folder.is_dir():
        return "does not exist"
    if (reason := checkpoint_problem(folder / REST)) is not None:
        return f"is damaged: {REST} {reason}"
    try:
        stored = ShardReader(folder).read_metadata().storage_data or {}
    except (OSError, CheckpointError) as error:
        return f"is damaged: {error}"
    for info in stored.values():
        shard = folder / info.relative_path
        size = shard.stat().st_size if shard.is_file() else 0
        if size < info.offset + info.length:
            return f"is damaged: {shard.name} is truncated or missing ({size} bytes)"
    return None


class ShardReader(FileSystemReader):
    """Reads the metadata with a restricted unpickler; torch's own reader uses `pickle.load`, which can run code."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the metadata of the folder."""
        with open(self._get_metadata_path(kwargs.get("rank")), "rb") as file:
            try:
                metadata = _MetadataUnpickler(file).load()
            except Exception as error:
                raise CheckpointError(f"{file.name}: {one_line(error)}") from error
        if not isinstance(metadata, Metadata):
            raise CheckpointError(f"{file.name} does not contain DCP metadata")
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _MetadataUnpickler(pickle.Unpickler):
    """Allows only the dataclasses and enums of DCP's metadata, torch sizes, dtypes and layouts, and paths."""

    def find_class(self, module: str, name: str) -> Any:
        with contextlib.suppress(AttributeError):
            target = getattr(importlib.import_module(module), name) if module in _METADATA_MODULES else None
            is_data = dataclasses.is_dataclass(target) or (isinstance(target, type) and issubclass(target, enum.Enum))
            if is_data and target.__module__ == module:
                return target
        if module == "torch" and (name == "Size" or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        if (module, name) in (
            ("torch.serialization", "_get_layout"),
            ("pathlib", "PosixPath"),
            ("pathlib", "WindowsPath"),
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"global {module}.{name} is not allowed in a checkpoint")


def one_line(error: BaseException) -> str:
    """Format an error as one line. Of several failed processes, the first one's error is used."""
    if isinstance(error, CheckpointException) and error.failures:
        rank, (first, _) = next(iter(error.failures.items()))
        return f"process {rank}: {one_line(first)}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"[:300]
