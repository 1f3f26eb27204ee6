"""Lookup of the zoo's models by name: configs, models, weights."""

import torch
from omegaconf import DictConfig
from torch import nn

from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.zoo.published import published_model, without_suffix
from detectory.zoo.recipes import find_recipe


def get_config(name: str, trained: bool = False) -> DictConfig:
    """Return the whole config of a recipe: `model`, `dataloader`, `optimizer`, `lr_multiplier`, `train`.

    Args:
        name: Any name of Detectron2's model zoo, e.g. `"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"`. A suffix
            `.py` or `.yaml` is ignored: both select the same native recipe.
        trained: Whether `train.init_checkpoint` is the published checkpoint instead of the initial weights.

    Raises:
        KeyError: If the recipe does not exist, or its weights are not published; the message lists the nearest names.

    Example:
        >>> config = get_config("COCO-Detection/fcos_R_50_FPN_1x")
        >>> config.model.num_classes, config.train.max_iter
        (80, 90000)
    """
    config = find_recipe(without_suffix(name))()
    if trained:
        config.train.init_checkpoint = get_checkpoint_url(name)
    return config


def get_checkpoint_url(name: str) -> str:
    """Return the URL of a model's published weights.

    Raises:
        KeyError: If the weights are not published; the message lists the nearest names.
    """
    return published_model(name).url


def get(name: str, trained: bool = False, device: str | torch.device = "cpu") -> nn.Module:
    """Build a model of the zoo, in evaluation mode.

    Args:
        name: Name of the recipe, with or without suffix.
        trained: Whether to load the published weights (downloaded once); otherwise the weights are random.
        device: Device of the model; `"meta"` builds it without allocating memory.

    Raises:
        KeyError: If the recipe does not exist, or its weights are not published.
    """
    config = get_config(name, trained)
    with torch.device(device if str(device) == "meta" else "cpu"):
        model = instantiate(config.model)
    if trained:
        DetectionCheckpointer(model).load(config.train.init_checkpoint)
    return model.to(device).eval()
