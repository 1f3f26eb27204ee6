"""Models of run folders that were trained from a Detectron2 config."""

from pathlib import Path

import torch

from detectory.compat.detectron2.config import CfgNode, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.modeling import build_model
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.run_folder import TrainedModel, last_checkpoint
from detectory.engine.recipe.run_folder import CONFIG_FILE


def load_run(folder: Path, *, weights: str | None = None, device: str | None = None) -> TrainedModel:
    """Load the model of a run folder; see `detectory.engine.inference.run_folder.load_run`."""
    cfg = get_cfg()
    cfg.merge_from_file(str(folder / CONFIG_FILE))
    if device is not None:
        cfg.MODEL.DEVICE = device
    elif cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = weights or last_checkpoint(folder)
    return build_trained(cfg)


def build_trained(cfg: CfgNode) -> TrainedModel:
    """Build the model of a config and load `MODEL.WEIGHTS`."""
    model = build_model(cfg).eval()
    content = DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    classes = ClassList.from_state(content.get("classes"))
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        classes = classes or ClassList.from_metadata(MetadataCatalog.get(name))
    resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    return TrainedModel(model, resize, classes, cfg.MODEL.DEVICE)
