"""Detectron2 YAML configs on the command line: loading, training, evaluation and run folders."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from detectory.cli.json_output import write_json
from detectory.core.distributed import get_rank
from detectory.core.storage import atomic_write, read_json
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine import Run, TrainingInterrupted, claim_run_folder
from detectory.engine.hooks import RunRecord, StopOnSignal
from detectory.engine.recipe.image_checks import check_image_files
from detectory.engine.recipe.run_folder import CONFIG_FILE, remove_run
from detectory.engine.report import report_at_end

#: Name of the file in a run folder that records the folder passed as `--data`.
_DATASET_FILE = "dataset.json"


def is_detectron2_config(name: str) -> bool:
    """Whether `name` is a Detectron2 config: a YAML file with upper-case keys, or a YAML name in the model zoo."""
    if not name.endswith((".yaml", ".yml")):
        return False
    path = Path(name)
    if not path.is_file():
        return True
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    keys = [line.split(":")[0] for line in lines if ":" in line and not line.startswith((" ", "#", "-"))]
    return any(key.isupper() for key in keys)


def load(
    name: str,
    overrides: Sequence[str],
    *,
    data: Path | None = None,
    output: Path | None = None,
    weights: str | None = None,
    device: str | None = None,
    keep_device: bool = False,
    split: str = "val",
) -> Any:
    """Return the `CfgNode` of a YAML file or zoo name with the command-line options applied.

    Args:
        name: A YAML file, or a name in Detectron2's model zoo.
        overrides: `KEY=VALUE` arguments.
        data: A dataset folder that replaces the datasets and sets the number of classes.
        output: Replaces `OUTPUT_DIR`.
        weights: Replaces `MODEL.WEIGHTS`.
        device: Replaces `MODEL.DEVICE`. By default "cuda" becomes "cpu" if CUDA is unavailable.
        keep_device: Keep `MODEL.DEVICE` even if CUDA is unavailable.
        split: The split of `data` to evaluate on.

    Raises:
        ValueError: If an override is not `KEY=VALUE`.
    """
    from detectory.compat.detectron2 import model_zoo
    from detectory.compat.detectron2.config import get_cfg

    cfg = get_cfg()
    cfg.merge_from_file(name if Path(name).is_file() else model_zoo.get_config_file(name))
    if data is not None:
        dataset = DatasetFolder.find(data, split)
        train, val = dataset.register(data.resolve().name)
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (train,), (val,)
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(dataset.classes)
    if output is not None:
        cfg.OUTPUT_DIR = str(output)
    if weights is not None:
        cfg.MODEL.WEIGHTS = weights
    pairs = [override.split("=", 1) for override in overrides]
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"override must be KEY=VALUE, got '{pair[0]}'")
    cfg.merge_from_list([part for pair in pairs for part in pair])
    if device is not None:
        cfg.MODEL.DEVICE = device
    elif not keep_device and cfg.MODEL.DEVICE == "cuda" and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    return cfg


def train(
    name: str,
    overrides: Sequence[str],
    *,
    resume: bool,
    overwrite: bool = False,
    data: Path | None = None,
    **options: Any,
) -> Run:
    """Train a config with the trainer of Detectron2's `tools/train_net.py`.

    The run folder stores the config and the path of the dataset, so that later commands can load the run. Unlike the
    trainer itself, the command locks the folder and does not reuse it without `resume` or `overwrite`.

    Args:
        name: As for `load`.
        overrides: As for `load`.
        resume: Continue from the newest intact checkpoint of the output folder.
        overwrite: Replace an earlier run in the output folder.
        data: As for `load`.
        options: Further options of `load`.

    Returns:
        The run in the output folder.
    """
    from detectory.compat.detectron2.tools.train_net import Trainer

    cfg = load(name, overrides, data=data, **options)
    cfg.freeze()
    with claim_run_folder(cfg.OUTPUT_DIR, resume=resume, overwrite=overwrite), report_at_end(cfg.OUTPUT_DIR):
        check_image_files([*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
        trainer = Trainer(cfg)
        stop = StopOnSignal()
        record = RunRecord(cfg.OUTPUT_DIR, cfg.MODEL.DEVICE) if get_rank() == 0 else None
        trainer.register_hooks([record, stop])
        trainer.resume_or_load(resume=resume)
        if get_rank() == 0:
            folder = Path(cfg.OUTPUT_DIR)
            if overwrite:
                remove_run(folder, keep=cfg.MODEL.WEIGHTS)
            with atomic_write(folder / CONFIG_FILE) as file:
                file.write(cfg.dump().encode())
            write_json({"folder": None if data is None else str(data.resolve())}, folder / _DATASET_FILE)
        with record or contextlib.nullcontext():
            trainer.train()
        if stop.received is not None:
            raise TrainingInterrupted(stop.received, trainer.checkpointer.get_checkpoint_file())
    return Run(cfg.OUTPUT_DIR)


def find_run(folder: Path) -> tuple[str, Path | None] | None:
    """Return the config file and the data folder of a run trained from a Detectron2 config; None for other folders."""
    config, dataset = folder / CONFIG_FILE, folder / _DATASET_FILE
    if not config.is_file() or not is_detectron2_config(str(config)):
        return None
    data = read_json(dataset)["folder"] if dataset.is_file() else None
    return str(config), Path(data) if data else None


def evaluate(
    name: str, overrides: Sequence[str], *, output: Path | None, **options: Any
) -> tuple[dict[str, dict[str, float]], str]:
    """Evaluate a config's weights on its test sets.

    Args:
        name: As for `load`.
        overrides: As for `load`.
        output: Folder for the detections; None discards them.
        options: Further options of `load`.

    Returns:
        The metrics by task, or by `dataset/task` if there are several test sets; and the name of the first test set.
    """
    from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
    from detectory.compat.detectron2.tools.train_net import Trainer, build_evaluator

    cfg = load(name, overrides, output=output, **options)
    cfg.freeze()
    model = Trainer.build_model(cfg)
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = str(output) if output is not None else scratch
        evaluators = [build_evaluator(cfg, dataset, folder) for dataset in cfg.DATASETS.TEST]
        results = Trainer.test(cfg, model, evaluators)
    if len(cfg.DATASETS.TEST) > 1:
        results = {
            f"{dataset}/{task}": metrics for dataset, tasks in results.items() for task, metrics in tasks.items()
        }
    return dict(results), cfg.DATASETS.TEST[0]
