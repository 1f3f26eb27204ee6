"""Safe readers of checkpoint files: `.pth`/`.pt`, `.pkl`, `.pyth` and `.safetensors`."""

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from detectory.core.checkpoint.safe_arrays import resolve_arrays, torch_safe_globals
from detectory.core.checkpoint.safe_pickle import load_pickle


class CheckpointError(RuntimeError):
    """A checkpoint file is damaged, is none, or holds objects that are not loaded from files nobody vouched for."""


def load_checkpoint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint without running any code that it may contain.

    Args:
        path: A local file. `.pkl` is Detectron2's or Caffe2's format, `.safetensors` is what its name says,
            `.pyth` comes from pycls, everything else was written by `torch.save`.

    Returns:
        A dictionary whose `"model"` maps names to tensors on the CPU; its other keys are what the file holds besides:
        `"optimizer"`, `"iteration"`, `"__author__"`, `"matching_heuristics"` (names need not be equal), …

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged, is no checkpoint, or wants to build objects other than tensors, arrays
            and containers; the message names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load_checkpoint_file: no file at {path}")
    if path.suffix == ".pkl":
        return _from_pickle(path)
    if path.suffix == ".safetensors":
        try:
            return {"model": load_file(path)}
        except SafetensorError as error:
            raise CheckpointError(f"load_checkpoint_file: {path} is damaged: {error}") from error
    content = _from_torch(path)
    if path.suffix == ".pyth" and "model_state" in content:
        return {"model": content["model_state"], "__author__": "pycls", "matching_heuristics": True}
    return content if "model" in content else {"model": content}


def as_tensors(state: Mapping[str, Any], source: str) -> dict[str, torch.Tensor]:
    """Return `state` with NumPy arrays as tensors; the dictionary stays the same object when it holds only tensors.

    Raises:
        CheckpointError: a value is neither; the message names `source` and the key.
    """
    for name, value in state.items():
        if not isinstance(value, (torch.Tensor, np.ndarray)):
            raise CheckpointError(f"{source}: expected a tensor or an array under '{name}', got {type(value).__name__}")
    if all(isinstance(value, torch.Tensor) for value in state.values()) and isinstance(state, dict):
        return state
    return {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))
        for name, value in state.items()
    }


def _from_torch(path: Path) -> dict[str, Any]:
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
        # torch puts advice around the reason: how to load the file all the same, and run its code.
        wrapped = re.search(
            r"WeightsUnpickler error: *(.+?)(?: was not an allowed global by default.*)?\n", f"{error}\n"
        )
        reason = wrapped[1].strip() if wrapped else (str(error).strip() or repr(error)).splitlines()[0]
        raise CheckpointError(f"load_checkpoint_file: {path} is damaged or holds other objects: {reason}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"load_checkpoint_file: {path} holds a {type(content).__name__}, expected a dictionary")
    # A bare state dict stays the object that it is: it carries the versions of its modules.
    return dict(content) if "model" in content else cast("dict[str, Any]", content)


def _from_pickle(path: Path) -> dict[str, Any]:
    try:
        content = load_pickle(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"load_checkpoint_file: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"load_checkpoint_file: {path} holds a {type(content).__name__}, expected a dictionary")
    if "model" in content and "__author__" in content:
        return content
    # Caffe2's files are a dictionary of blobs, alone or beside the text of a config.
    blobs = content.get("blobs", content)
    weights = {name: blob for name, blob in blobs.items() if not name.endswith("_momentum")}
    return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}
