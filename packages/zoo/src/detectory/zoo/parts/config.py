"""Complete configs of detectors on a ResNet, trained on COCO, and changes to them."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from detectory.zoo.parts.loaders import coco_loaders
from detectory.zoo.parts.resnet import R_50, ResNetVariant, use_resnet
from detectory.zoo.parts.training import COCO_1X_ITERATIONS, sgd, step_schedule, steps_of_coco, train_options


def whole_config(**parts: object) -> DictConfig:
    """Return a config with the parts `model`, `dataloader`, `optimizer`, `lr_multiplier` and `train`."""
    return DictConfig(parts, flags={"allow_objects": True})


def resnet_config(
    model: DictConfig,
    variant: ResNetVariant = R_50,
    times: int = 1,
    dataloader: DictConfig | None = None,
    lr: float = 0.02,
) -> DictConfig:
    """Return the config of a model on a ResNet, trained with SGD for `times` x 12 epochs of COCO.

    Args:
        model: Config of a model on `R_50`; its backbone is replaced if `variant` differs.
        variant: The backbone.
        times: Length of the schedule, in units of 90k iterations with 16 images.
        dataloader: The data, by default COCO instances with masks.
        lr: Base learning rate.
    """
    if variant != R_50:
        use_resnet(model, variant)
    return whole_config(
        model=model,
        dataloader=coco_loaders() if dataloader is None else dataloader,
        optimizer=sgd(lr=lr),
        lr_multiplier=steps_of_coco(times),
        train=train_options(variant.weights, max_iter=times * COCO_1X_ITERATIONS),
    )


def set_values(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Set values by dotted key, in place; keys of optional arguments may be new."""
    for key, value in values.items():
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    return config


def set_schedule(config: DictConfig, max_iter: int, steps: Sequence[int], warmup_iters: int = 1000) -> DictConfig:
    """Replace the length and the learning-rate schedule of the training, in place."""
    config.train.max_iter = max_iter
    config.lr_multiplier = step_schedule(max_iter, steps, warmup_iters)
    return config
