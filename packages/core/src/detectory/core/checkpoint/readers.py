"""Safe readers for checkpoint files: `.pth`/`.pt`, `.pkl`, `.pyth` and `.safetensors`."""

import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from detectory.core.checkpoint.safe_arrays import resolve_arrays, torch_safe_globals
from detectory.core.checkpoint.safe_pickle import load_pickle
from detectory.core.checkpoint.size_limits import check_torch_sizes

_ZIP_MAGIC = b"PK\x03\x04"


class CheckpointError(RuntimeError):
    """A checkpoint file is corrupt, not a checkpoint, or contains objects that are not loaded from untrusted files."""


def load_checkpoint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint without executing code from the file.

    Args:
        path: A local file: `.pkl` (Detectron2 or Caffe2), `.safetensors`, `.pyth` (pycls), or any other suffix for
            a file written by `torch.save`.

    Returns:
        A dictionary in which `"model"` maps names to CPU tensors. Other keys of the file are kept: `"optimizer"`,
        `"iteration"`, `"__author__"`, `"matching_heuristics"` (names may differ by a prefix), …

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If the file is corrupt, is not a checkpoint, states larger sizes than it contains, or contains
            objects other than tensors, arrays and containers; the message names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load_checkpoint_file: {path} does not exist")
    if path.suffix == ".pkl":
        return _from_pickle(path)
    if path.suffix == ".safetensors":
        try:
            return {"model": load_file(path)}
        except SafetensorError as error:
            raise CheckpointError(f"load_checkpoint_file: {path} is corrupt: {error}") from error
    content = _from_torch(path)
    if path.suffix == ".pyth" and "model_state" in content:
        return {"model": content["model_state"], "__author__": "pycls", "matching_heuristics": True}
    if "model" not in content and isinstance(content.get("state_dict"), Mapping):
        # PyTorch Lightning and MMDetection
        return {**content, "model": content["state_dict"]}
    return content if "model" in content else {"model": content}


def as_tensors(state: Mapping[str, Any], source: str) -> dict[str, torch.Tensor]:
    """Return `state` with NumPy arrays converted to tensors. A dictionary of tensors is returned as the same object.

    Raises:
        CheckpointError: If `state` is not a dictionary, or a value is neither a tensor nor an array; the message names
            `source` and the key.
    """
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{source}: the weights must be a dictionary of tensors, got {type(state).__name__}")
    for name, value in state.items():
        if not isinstance(name, str):
            raise CheckpointError(f"{source}: names of weights must be text, got {name!r}")
        if isinstance(value, torch.Tensor) and value.layout != torch.strided:
            raise CheckpointError(f"{source}: '{name}' must be a dense tensor, got layout {value.layout}")
        if not isinstance(value, (torch.Tensor, np.ndarray)):
            raise CheckpointError(f"{source}: '{name}' must be a tensor or an array, got {type(value).__name__}")
    if all(isinstance(value, torch.Tensor) for value in state.values()) and isinstance(state, dict):
        return state
    return {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))
        for name, value in state.items()
    }


def _from_torch(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            check_torch_sizes(file)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"load_checkpoint_file: {path} was refused: {error}") from error
    try:
        with torch.serialization.safe_globals(torch_safe_globals()):
            content = resolve_arrays(torch.load(path, map_location="cpu", weights_only=True))
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,
    ) as error:
        raise CheckpointError(f"load_checkpoint_file: {path} {file_problem(path) or _reason(error)}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"load_checkpoint_file: {path} must contain a dictionary, got {type(content).__name__}")
    # A bare state dict is returned as the same object because its `_metadata` has the versions of the modules.
    return dict(content) if "model" in content else cast("dict[str, Any]", content)


def file_problem(path: str | os.PathLike[str]) -> str | None:
    """Return why a file cannot have been written completely by `torch.save`, or None if its structure is right.

    Reads the table of contents of a zip archive, not its content.

    Raises:
        OSError: If the file cannot be read.
    """
    size = os.path.getsize(path)
    if size == 0:
        return "is empty"
    if not is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return f"is truncated or corrupt ({size} bytes)"
    is_saved = any(name.endswith(("/data.pkl", "/constants.pkl")) for name in names)
    return None if is_saved else "is a zip archive, but not a checkpoint"


def is_zip(path: str | os.PathLike[str]) -> bool:
    """Whether a file starts as a zip archive does."""
    with open(path, "rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC


def _reason(error: Exception) -> str:
    """Why `torch.load` refused or could not read a file, without torch's advice to switch the protection off."""
    text = str(error)
    if refused := re.search(r"GLOBAL ([\w.]+)", text):
        return f"was refused: global '{refused[1]}' is not an array, tensor or container"
    if wrapped := re.search(r"WeightsUnpickler error: *(.+?)(?:\n|$)", text):
        return f"was refused: {wrapped[1].strip()}"
    # Errors of the unpickler itself; those of `safe_arrays` are a ValueError or TypeError with a reason.
    if not isinstance(error, (RuntimeError, ValueError, TypeError)) or "WeightsUnpickler" in text:
        return "is not a checkpoint, or is corrupt"
    first_sentence = (text.strip() or repr(error)).splitlines()[0].partition(". ")[0]
    return f"is corrupt: {first_sentence}"


def _from_pickle(path: Path) -> dict[str, Any]:
    try:
        content = load_pickle(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"load_checkpoint_file: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"load_checkpoint_file: {path} must contain a dictionary, got {type(content).__name__}")
    if "model" in content and "__author__" in content:
        return content
    if not isinstance(content.get("blobs", content), dict):
        raise CheckpointError(f"load_checkpoint_file: {path}: 'blobs' must be a dictionary of arrays")
    # A Caffe2 file is a dictionary of blobs, either bare or next to the text of a config.
    blobs = content.get("blobs", content)
    weights = {name: blob for name, blob in blobs.items() if not str(name).endswith("_momentum")}
    return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}
