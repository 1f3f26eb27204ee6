"""Settings of a config for another number of workers."""

import logging

from detectory.compat.detectron2.config import CfgNode

logger = logging.getLogger(__name__)


def auto_scale_workers(cfg: CfgNode, num_workers: int) -> CfgNode:
    """Return the config for `num_workers` when `SOLVER.REFERENCE_WORLD_SIZE` says that it is meant for others.

    The batch of each worker stays: batch size and learning rate grow with the workers, iterations, steps, warm-up and
    periods shrink. `REFERENCE_WORLD_SIZE` becomes `num_workers`; at 0 the config comes back as it is.

    Args:
        cfg: The config, which is not changed.
        num_workers: Workers that train.

    Raises:
        ValueError: the batch does not divide by the workers that the config is meant for.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """
    reference = cfg.SOLVER.REFERENCE_WORLD_SIZE
    if reference in (0, num_workers):
        return cfg
    if cfg.SOLVER.IMS_PER_BATCH % reference:
        raise ValueError(
            f"auto_scale_workers: SOLVER.IMS_PER_BATCH {cfg.SOLVER.IMS_PER_BATCH} does not divide by "
            f"SOLVER.REFERENCE_WORLD_SIZE {reference}"
        )
    scaled = cfg.clone()
    frozen = scaled.is_frozen()
    scaled.defrost()
    scale = num_workers / reference
    solver = scaled.SOLVER
    solver.IMS_PER_BATCH = round(solver.IMS_PER_BATCH * scale)
    solver.BASE_LR = solver.BASE_LR * scale
    solver.MAX_ITER = round(solver.MAX_ITER / scale)
    solver.WARMUP_ITERS = round(solver.WARMUP_ITERS / scale)
    solver.STEPS = tuple(round(step / scale) for step in solver.STEPS)
    solver.CHECKPOINT_PERIOD = round(solver.CHECKPOINT_PERIOD / scale)
    scaled.TEST.EVAL_PERIOD = round(scaled.TEST.EVAL_PERIOD / scale)
    solver.REFERENCE_WORLD_SIZE = num_workers
    logger.info(
        "settings for %d workers: batch %d, learning rate %g, %d iterations, warm-up %d",
        num_workers,
        solver.IMS_PER_BATCH,
        solver.BASE_LR,
        solver.MAX_ITER,
        solver.WARMUP_ITERS,
    )
    if frozen:
        scaled.freeze()
    return scaled
