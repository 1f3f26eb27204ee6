"""The largest batch that fits into the memory of a GPU, found by trying."""

import copy
import gc
from collections.abc import Callable

import torch
from omegaconf import DictConfig

from detectory.core.events import EventStorage
from detectory.engine.recipe.building import build_trainer
from detectory.engine.recipe.preparation import prepare

#: A training uses more memory than its first iterations: larger images and more objects follow.
MEMORY_LIMIT = 0.85
_STEPS = 3

#: Returns the fraction of the GPU's memory that iterations with a number of images per process use; infinity if the
#: memory does not suffice.
MemoryProbe = Callable[[int], float]


def largest_batch(probe: MemoryProbe, maximum: int, limit: float = MEMORY_LIMIT) -> int:
    """Return the largest number of images per process that fits, at least 1: a power of two or the maximum.

    Args:
        probe: Measures the memory.
        maximum: Maximum number of images.
        limit: Maximum fraction of the memory.

    Raises:
        RuntimeError: If even one image does not fit.
    """
    fitting = 0
    for count in _candidates(maximum):
        used = probe(count)
        if used > limit:
            break
        fitting = count
        # Memory grows at most linearly: the next candidate is only tried if it may fit.
        if used * 1.5 > limit:
            break
    if not fitting:
        raise RuntimeError(
            "plan: a single image does not fit into the memory of the GPU. Choose a smaller --image-size or recipe"
        )
    return fitting


def find_batch(config: DictConfig) -> Callable[[int], int]:
    """Return the function that finds the batch size of a recipe, whose dataset is registered, on its GPU."""
    return lambda maximum: largest_batch(lambda count: gpu_memory(config, count), maximum)


def gpu_memory(config: DictConfig, images: int) -> float:
    """Return the fraction of the GPU's memory that a few iterations use; infinity if the memory does not suffice.

    Args:
        config: The recipe.
        images: Images per process.
    """
    config = copy.deepcopy(config)
    config.dataloader.train.total_batch_size = images
    config.dataloader.train.num_workers = 0
    device = torch.device(config.train.device)
    torch.cuda.reset_peak_memory_stats(device)
    trainer = None
    try:
        trainer = build_trainer(config, prepare(config).model)
        with EventStorage() as trainer.storage:
            for trainer.iter in range(_STEPS):
                trainer.run_step()
        return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
    except torch.cuda.OutOfMemoryError:
        return float("inf")
    finally:
        del trainer
        gc.collect()
        torch.cuda.empty_cache()


def _candidates(maximum: int) -> list[int]:
    powers = [1 << exponent for exponent in range(maximum.bit_length()) if 1 << exponent < maximum]
    return [*powers, maximum]
