"""`dump_torchscript_IR`: the code and graph of a TorchScript model as text files."""

import os
from pathlib import Path
from typing import Any

import torch

from detectory.core.storage import atomic_write


def dump_torchscript_IR(model: torch.jit.ScriptModule | torch.jit.ScriptFunction, dir: str | os.PathLike[str]) -> None:
    """Write the code and graph of a traced or scripted model to text files.

    Args:
        model: A traced or scripted module or function.
        dir: Output folder for `model_ts_code.txt` (Python code), `model_ts_IR.txt` (graph), `model_ts_IR_inlined.txt`
            (graph with all calls inlined) and, for a module, `model.txt` (module hierarchy).

    Raises:
        TypeError: If the model is neither traced nor scripted.
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
