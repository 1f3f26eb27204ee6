"""Models of run folders that were trained from a Detectron2 config."""

from pathlib import Path

import torch
from torch import nn

from detectory.compat.detectron2._projects import PROJECTS
from detectory.compat.detectron2.config import CfgNode, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.modeling import build_model
from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.run_folder import TrainedModel, last_checkpoint, load_weights
from detectory.engine.recipe.data_checks import class_counts
from detectory.engine.recipe.run_folder import CONFIG_FILE


def load_run(folder: Path, *, weights: str | None = None, device: str | None = None) -> TrainedModel:
    """Load the model of a run folder; see `detectory.engine.inference.run_folder.load_run`."""
    cfg = run_config(folder)
    if device is not None:
        cfg.MODEL.DEVICE = device
    elif cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = weights or last_checkpoint(folder)
    return build_trained(cfg)


def run_config(folder: Path) -> CfgNode:
    """Return the config of a run folder, which may have the settings of an installed project.

    Raises:
        KeyError: If the config has unknown settings; the message names the file and the first one.
    """
    path = str(folder / CONFIG_FILE)
    reason: KeyError | None = None
    for project in (None, *(project for project in PROJECTS.values() if project.is_installed())):
        cfg = get_cfg() if project is None else project.add_keys(get_cfg())
        try:
            cfg.merge_from_file(path)
        except KeyError as error:
            reason = reason or error
        else:
            return cfg
    raise reason or KeyError(path)


def build_trained(cfg: CfgNode) -> TrainedModel:
    """Build the model of a config and load `MODEL.WEIGHTS`."""
    model = build_model(cfg).eval()
    content = load_weights(model, cfg.MODEL.WEIGHTS)
    classes = ClassList.from_state(content.get("classes")) or config_classes(cfg, model)
    resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    return TrainedModel(model, resize, classes, cfg.MODEL.DEVICE)


def config_classes(cfg: CfgNode, model: nn.Module | None = None) -> ClassList | None:
    """Return the classes of the config's first registered dataset with class names, or None.

    Args:
        cfg: The config.
        model: The model of the config; datasets with another number of classes are not considered. Built on the meta
            device by default.
    """
    if model is None:
        cfg = cfg.clone()
        cfg.MODEL.DEVICE = "meta"
        model = build_model(cfg)
    counts = set(class_counts(model).values())
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        classes = ClassList.from_metadata(MetadataCatalog.get(name))
        if classes is not None and (not counts or len(classes.names) in counts):
            return classes
    return None
