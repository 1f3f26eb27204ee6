"""Conversion of run folders to checkpoints of other systems."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from detectory.compat import torchvision, transformers
from detectory.compat.differences import differences
from detectory.core.storage import atomic_write
from detectory.core.suggestions import nearest
from detectory.engine.inference.run_folder import TrainedModel, load_run

from .detectron2_config import detectron2_config, equivalent_model


@dataclass(frozen=True)
class Exported:
    """A checkpoint of another system.

    Args:
        paths: The files that were written.
        instructions: How to load them, as Python code or a sentence.
        differences: Settings of the model that the other system does not have, one sentence each.
    """

    paths: tuple[Path, ...]
    instructions: str
    differences: list[str]


def export_run(run: str | os.PathLike[str], system: str, output: str | os.PathLike[str]) -> Exported:
    """Write the model of a run folder as a checkpoint of another system.

    Args:
        run: The run folder.
        system: A key of `TARGETS`.
        output: The file to write; for transformers a folder.

    Raises:
        FileExistsError: If `output` exists.
        FileNotFoundError: If the folder has no config or no checkpoint.
        ValueError: If the system is unknown, or does not have the architecture.
    """
    if system not in TARGETS:
        raise ValueError(f"convert: unknown system {system!r}; {nearest(system, TARGETS)}")
    path = Path(output)
    if path.exists():
        raise FileExistsError(f"convert: {path} exists; choose another --output")
    return TARGETS[system](load_run(Path(run), device="cpu"), path)


def _to_torchvision(trained: TrainedModel, path: Path) -> Exported:
    checkpoint = torchvision.to_torchvision(trained.model, trained.resize)
    _save(checkpoint.state, path)
    return Exported((path,), checkpoint.describe(str(path)), checkpoint.differences)


def _to_detectron2(trained: TrainedModel, path: Path) -> Exported:
    model = trained.model
    cfg = detectron2_config(model, trained.resize)
    cfg.MODEL.WEIGHTS = str(path.resolve())
    equivalent = equivalent_model(cfg)
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    expected = equivalent.state_dict()
    differing = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    differing += [name for name in state if name not in expected]
    differing = [name for name in differing if not name.endswith("num_batches_tracked")]
    if differing:
        raise ValueError(f"convert: a config of Detectron2 cannot describe this model: {differing[0]!r} differs")
    _save({"model": state, "__author__": "Detectory", "matching_heuristics": False}, path)
    config = path.with_suffix(".yaml")
    with atomic_write(config, "w") as file:
        file.write(cfg.dump())
    instructions = f"cfg = get_cfg()\ncfg.merge_from_file({str(config)!r})\npredictor = DefaultPredictor(cfg)"
    return Exported((path, config), instructions, differences(model, equivalent, "Detectron2"))


def _to_transformers(trained: TrainedModel, path: Path) -> Exported:
    names = None if trained.classes is None else trained.classes.names
    name = transformers.write_pretrained(trained.model, path, names, trained.resize)
    return Exported((path,), f"model = transformers.{name}.from_pretrained({str(path)!r})", [])


def _save(content: Any, path: Path) -> None:
    with atomic_write(path, "wb") as file:
        torch.save(content, file)


#: The systems by the value of `--to`.
TARGETS: dict[str, Callable[[TrainedModel, Path], Exported]] = {
    "detectron2": _to_detectron2,
    "torchvision": _to_torchvision,
    "transformers": _to_transformers,
}
