"""Looking into TorchScript."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from detectory.core.storage import atomic_write


def dump_torchscript_IR(model: torch.jit.ScriptModule | torch.jit.ScriptFunction, dir: str | os.PathLike[str]) -> None:
    """Write what a traced or scripted model is made of, for reading.

    Args:
        model: A traced or scripted module or function.
        dir: The folder that gets `model_ts_code.txt` (its code as Python), `model_ts_IR.txt` (its graph),
            `model_ts_IR_inlined.txt` (the graph with all calls inlined) and, of a module, `model.txt` (its layout).

    Raises:
        TypeError: when the model is neither traced nor scripted.
    """
    if not isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        raise TypeError(f"dump_torchscript_IR: model must be traced or scripted, got {type(model).__name__}")
    texts: dict[str, Any] = {
        "model_ts_code.txt": model.code,
        "model_ts_IR.txt": model.graph,
        "model_ts_IR_inlined.txt": model.inlined_graph,
    }
    if isinstance(model, torch.jit.ScriptModule):
        texts["model.txt"] = model
    for name, text in texts.items():
        with atomic_write(Path(dir) / name, "w") as file:
            file.write(str(text))
