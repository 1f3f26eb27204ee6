"""Run folders of converted models."""

import os
from pathlib import Path
from typing import Any

import torch
from omegaconf import open_dict

from detectory.core.checkpoint.search import TAG
from detectory.core.config import LazyCall, LazyConfig
from detectory.core.storage import staged_folder
from detectory.data.classes import ClassList
from detectory.data.transforms import Resize
from detectory.engine.recipe.run_folder import CONFIG_FILE
from detectory.zoo.parts.config import resnet_config
from detectory.zoo.parts.loaders import coco_loaders, keypoint_loaders
from detectory.zoo.parts.training import adamw

from .converted_model import ConvertedModel

WEIGHTS_FILE = "model_final.pth"

#: Learning rate for a batch of 16, by whether the model has ROI heads.
_LEARNING_RATES = {True: 0.02, False: 0.01}


#: Weight decay of AdamW.
_ADAMW_WEIGHT_DECAY = 1e-4


def write_run(converted: ConvertedModel, folder: str | os.PathLike[str]) -> Path:
    """Write a run folder that the commands `predict`, `eval`, `train` and `export` read.

    Args:
        converted: The model.
        folder: The folder; must not exist.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder exists.
    """
    path = Path(folder)
    if path.exists():
        raise FileExistsError(f"convert: {path} exists; choose another --output")
    model = converted.config
    heads = model.get("roi_heads")
    has_keypoints = heads is not None and "keypoint_head" in heads
    has_masks = (heads is not None and "mask_head" in heads) or "mask_loss_weight" in model
    loaders = keypoint_loaders() if has_keypoints else coco_loaders(masks=has_masks)
    loaders.train.mapper.image_format = model.get("input_format", "BGR")
    learning_rate = converted.learning_rate or _LEARNING_RATES[heads is not None]
    config = resnet_config(model, dataloader=loaders, lr=learning_rate)
    with open_dict(config):
        if converted.optimizer == "adamw":
            config.optimizer = adamw(learning_rate, weight_decay=_ADAMW_WEIGHT_DECAY)
        resize = converted.resize
        if converted.image_size is not None:
            resize = LazyCall(Resize)(shape=list(converted.image_size))
        if resize is not None:
            for mapper in (config.dataloader.train.mapper, config.dataloader.test.mapper):
                mapper.augmentations = [resize, *mapper.augmentations[1:]]
        config.train.init_checkpoint = str(path.resolve() / WEIGHTS_FILE)
        config.train.output_dir = str(path)
        config.converted_from = {"system": converted.system, "architecture": converted.architecture}
    with staged_folder(path) as staged:
        content: dict[str, Any] = {"model": dict(converted.state)}
        if converted.classes is not None:
            ids = tuple(range(1, len(converted.classes) + 1))
            content["classes"] = ClassList(converted.classes, ids).state_dict()
        torch.save(content, staged / WEIGHTS_FILE)
        (staged / TAG).write_text(WEIGHTS_FILE, encoding="utf-8")
        LazyConfig.save(config, str(staged / CONFIG_FILE))
    return path
