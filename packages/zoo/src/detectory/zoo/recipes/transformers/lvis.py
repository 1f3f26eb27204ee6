"""Changes from COCO to LVIS v1: 1203 classes, sigmoid scores and the federated loss.

Source: Zhou et al., "Probabilistic two-stage detection", 2021 (federated loss).
"""

import logging

import torch
from omegaconf import DictConfig

from detectory.core.config import locate
from detectory.zoo.parts.cascade import box_predictors_of
from detectory.zoo.parts.loaders import on_lvis
from detectory.zoo.parts.training import late_steps

_logger = logging.getLogger(__name__)
_NUM_CLASSES = 1203
_ITERATIONS_OF_100_EPOCHS = 156_250
_MILESTONES_OF_100_EPOCHS = (138_889, 150_463)


def federated_class_weights() -> torch.Tensor:
    """Return the sampling weight of each LVIS v1 class in the federated loss, (1203,).

    The weight is the square root of the number of training images, from the metadata of `lvis_v1_train`. If the
    metadata or detectory-data is missing, the weights are NaN: inference works, because checkpoints contain the
    weights, and training fails.
    """
    try:
        weights = locate("detectory.data.class_weights.get_fed_loss_cls_weights")
        return weights("lvis_v1_train", 0.5)
    except (ImportError, AttributeError, OSError) as error:
        _logger.warning(
            "federated_class_weights: class weights are unavailable, training requires a checkpoint with them: %s",
            error,
        )
        return torch.full((_NUM_CLASSES,), torch.nan)


def trained_on_lvis(config: DictConfig, lr: float, epochs: int) -> DictConfig:
    """Change a whole config from COCO to LVIS v1, in place.

    Args:
        config: The config.
        lr: Base learning rate.
        epochs: Length of the training, with batches of 64 images: 100 or 50.
    """
    on_lvis(config.dataloader)
    config.model.roi_heads.num_classes = _NUM_CLASSES
    for predictor in box_predictors_of(config.model):
        predictor.test_score_thresh = 0.02
        predictor.test_topk_per_image = 300
        predictor.use_sigmoid_ce = True
        predictor.use_fed_loss = True
        predictor.get_fed_loss_cls_weights = federated_class_weights
    iterations = _ITERATIONS_OF_100_EPOCHS * epochs // 100
    config.train.max_iter = iterations
    config.train.eval_period = 30_000
    config.optimizer.lr = lr
    config.lr_multiplier = late_steps(
        iterations, [step * epochs // 100 for step in _MILESTONES_OF_100_EPOCHS], warmup_length=250 / iterations
    )
    return config
