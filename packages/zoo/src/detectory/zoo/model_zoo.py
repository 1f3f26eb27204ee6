"""Find, describe and build the models of the zoo by name."""

from fnmatch import fnmatch

import torch
from omegaconf import DictConfig
from torch import nn

from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.zoo.published import PublishedModel, published_model, published_models, without_suffix
from detectory.zoo.recipes import find_recipe, recipe_names


def get_config(name: str, trained: bool = False) -> DictConfig:
    """Return the whole config of a recipe: `model`, `dataloader`, `optimizer`, `lr_multiplier`, `train`.

    Args:
        name: E.g. `"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py"`; the suffix may be left out.
        trained: Let `train.init_checkpoint` be the published weights of the finished training.

    Raises:
        KeyError: there is no such recipe, or nobody published its weights; the message lists the nearest names.

    Example:
        >>> config = get_config("COCO-Detection/fcos_R_50_FPN_1x.py")
        >>> config.model.num_classes, config.train.max_iter
        (80, 90000)
    """
    config = find_recipe(f"{without_suffix(name)}.py")()
    if trained:
        config.train.init_checkpoint = get_checkpoint_url(name)
    return config


def get_checkpoint_url(name: str) -> str:
    """Return where the published weights of a config are.

    Raises:
        KeyError: nobody published any; the message lists the nearest names.
    """
    return published_model(name).url


def get(name: str, trained: bool = False, device: str | torch.device = "cpu") -> nn.Module:
    """Build a model of the zoo, in evaluation mode.

    Args:
        name: The recipe's name.
        trained: Load the published weights (downloaded once) instead of random ones.
        device: Where the model goes; `"meta"` builds it without memory.

    Raises:
        KeyError: there is no such recipe, or nobody published its weights.
    """
    config = get_config(name, trained)
    with torch.device(device if str(device) == "meta" else "cpu"):
        model = instantiate(config.model)
    if trained:
        DetectionCheckpointer(model).load(config.train.init_checkpoint)
    return model.to(device).eval()


def list_models(pattern: str = "*", trained: bool = False) -> dict[str, PublishedModel | None]:
    """Return recipe names with their published weights.

    Args:
        pattern: Shell pattern on the name, e.g. `"COCO-*/mask_rcnn_*"`.
        trained: Only those with published weights.
    """
    known = published_models()
    found = {name: known.get(without_suffix(name)) for name in recipe_names() if fnmatch(name, f"{pattern}*")}
    return {name: model for name, model in found.items() if model is not None or not trained}
