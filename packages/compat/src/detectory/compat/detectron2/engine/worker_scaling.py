"""Scaling of config settings to another number of workers."""

import logging

from detectory.compat.detectron2.config import CfgNode

_logger = logging.getLogger(__name__)


def auto_scale_workers(cfg: CfgNode, num_workers: int) -> CfgNode:
    """Return the config scaled from `SOLVER.REFERENCE_WORLD_SIZE` to `num_workers` workers.

    The batch size per worker is kept: total batch size and learning rate grow with the number of workers, while
    iterations, steps, warm-up and periods shrink. `REFERENCE_WORLD_SIZE` becomes `num_workers`; 0 disables scaling.

    Args:
        cfg: The config; not modified.
        num_workers: Number of training processes.

    Raises:
        ValueError: If the batch size is not divisible by the reference world size.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """
    reference = cfg.SOLVER.REFERENCE_WORLD_SIZE
    if reference in (0, num_workers):
        return cfg
    if cfg.SOLVER.IMS_PER_BATCH % reference:
        raise ValueError(
            f"auto_scale_workers: SOLVER.IMS_PER_BATCH must be divisible by SOLVER.REFERENCE_WORLD_SIZE {reference}, "
            f"got {cfg.SOLVER.IMS_PER_BATCH}"
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
    _logger.info(
        "config scaled to %d workers: batch size %d, learning rate %g, %d iterations, warm-up %d",
        num_workers,
        solver.IMS_PER_BATCH,
        solver.BASE_LR,
        solver.MAX_ITER,
        solver.WARMUP_ITERS,
    )
    if frozen:
        scaled.freeze()
    return scaled
