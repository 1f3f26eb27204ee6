"""Linear scaling of a recipe to a different number of processes."""

import copy
import logging

from omegaconf import DictConfig, OmegaConf

_logger = logging.getLogger(__name__)


def scale_to_world_size(config: DictConfig, world_size: int) -> DictConfig:
    """Scale a recipe written for `train.reference_world_size` processes to `world_size` processes.

    The batch size per process is kept. The total batch size and the learning rate are multiplied by the ratio of
    processes; the number of iterations and the periods are divided by it. Schedules depend on relative progress and
    are unchanged. In the result, `train.reference_world_size` is `world_size`. A recipe without that setting, or with
    0, is returned unchanged.

    Args:
        config: The recipe; it is not modified.
        world_size: Number of training processes.

    Raises:
        ValueError: If the total batch size is not divisible by `train.reference_world_size`.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 2.1.
    """
    reference = config.train.get("reference_world_size", 0)
    if reference in (0, world_size):
        return config
    batch = config.dataloader.train.total_batch_size
    if batch % reference:
        raise ValueError(
            f"train: dataloader.train.total_batch_size must be divisible by train.reference_world_size, "
            f"got {batch} and {reference}"
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
        "scaled to %d processes: batch size %d, learning rate %g, %d iterations",
        world_size,
        scaled.dataloader.train.total_batch_size,
        scaled.optimizer.lr,
        scaled.train.max_iter,
    )
    return scaled


def _is_reference(config: DictConfig, key: str) -> bool:
    """Whether a key is an interpolation of another key, which is scaled itself."""
    parent, _, name = key.rpartition(".")
    return OmegaConf.is_interpolation(OmegaConf.select(config, parent), name)
