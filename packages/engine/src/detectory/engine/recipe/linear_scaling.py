"""A recipe's settings for another number of processes than it was written for."""

import copy
import logging

from omegaconf import DictConfig, OmegaConf

_logger = logging.getLogger(__name__)


def scale_to_world_size(config: DictConfig, world_size: int) -> DictConfig:
    """Return the recipe for `world_size` processes when `train.reference_world_size` says that it is for others.

    The batch of each process stays: the batch of all and the learning rate grow with the processes, iterations and
    periods shrink. Schedules are functions of the progress and stay as they are. `train.reference_world_size` becomes
    `world_size`; without it, or at 0, the recipe comes back as it is.

    Args:
        config: The recipe, which is not changed.
        world_size: Processes that train.

    Raises:
        ValueError: the batch does not divide by the processes that the recipe is meant for.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 2.1.
    """
    reference = config.train.get("reference_world_size", 0)
    if reference in (0, world_size):
        return config
    batch = config.dataloader.train.total_batch_size
    if batch % reference:
        raise ValueError(
            f"train: dataloader.train.total_batch_size={batch} does not divide by "
            f"train.reference_world_size={reference}"
        )
    scaled = copy.deepcopy(config)
    scale = world_size / reference
    scaled.dataloader.train.total_batch_size = batch // reference * world_size
    for key in ("optimizer.lr", "optimizer.params.base_lr"):
        if OmegaConf.select(scaled, key) is not None and not _is_reference(scaled, key):
            OmegaConf.update(scaled, key, OmegaConf.select(scaled, key) * scale)
    for key in ("train.max_iter", "train.eval_period", "train.checkpointer.period"):
        if OmegaConf.select(scaled, key):
            OmegaConf.update(scaled, key, max(round(OmegaConf.select(scaled, key) / scale), 1))
    scaled.train.reference_world_size = world_size
    _logger.info(
        "settings for %d processes: batch %d, learning rate %g, %d iterations",
        world_size,
        scaled.dataloader.train.total_batch_size,
        scaled.optimizer.lr,
        scaled.train.max_iter,
    )
    return scaled


def _is_reference(config: DictConfig, key: str) -> bool:
    """Whether a key takes its value from another one, which is scaled already."""
    parent, _, name = key.rpartition(".")
    return OmegaConf.is_interpolation(OmegaConf.select(config, parent), name)
