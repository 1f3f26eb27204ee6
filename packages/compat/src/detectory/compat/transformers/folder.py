"""Folders that `save_pretrained` of transformers writes."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from detectory.core.checkpoint import CheckpointError, load_checkpoint_file
from detectory.core.checkpoint.readers import as_tensors

CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
_INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_FILES = (WEIGHTS, "pytorch_model.bin")


@dataclass(frozen=True)
class PretrainedFolder:
    """The content of a folder of transformers.

    Args:
        config: The config of the model.
        processor: The config of the image processor, empty if the folder has none.
        state: The weights.
    """

    config: dict[str, Any]
    processor: dict[str, Any]
    state: Mapping[str, Tensor]


def is_pretrained_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder with a config of transformers."""
    file = Path(path) / CONFIG
    return file.is_file() and "model_type" in _read(file)


def read_folder(path: str | os.PathLike[str]) -> PretrainedFolder:
    """Read a folder of `save_pretrained`. Nothing is downloaded, and code in pickles is not executed.

    Raises:
        CheckpointError: If a file is missing or cannot be read safely.
    """
    folder = Path(path)
    processor = folder / PROCESSOR
    return PretrainedFolder(_read(folder / CONFIG), _read(processor) if processor.is_file() else {}, _weights(folder))


def _weights(folder: Path) -> dict[str, Tensor]:
    files = [name for name in _FILES if (folder / name).is_file()][:1]
    for index in _INDICES:
        if not files and (folder / index).is_file():
            files = sorted(set(_read(folder / index).get("weight_map", {}).values()))
    if not files:
        raise CheckpointError(f"convert: {folder} contains neither {' nor '.join(_FILES)}")
    state: dict[str, Tensor] = {}
    for name in files:
        if Path(name).name != name:
            raise CheckpointError(f"convert: {folder}: the index names a file outside the folder, {name!r}")
        state |= as_tensors(load_checkpoint_file(folder / name)["model"], f"convert: {folder / name}")
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"convert: {path} is not a readable JSON file: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"convert: {path} must contain an object, got {type(content).__name__}")
    return content
