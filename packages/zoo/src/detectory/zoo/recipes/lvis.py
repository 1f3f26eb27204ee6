"""What LVIS v1 changes in a recipe of COCO: 1203 classes, independent scores, a loss over a sample of classes.

Source: Zhou et al., "Probabilistic two-stage detection", 2021 (federated loss).
"""

import logging

import torch
from omegaconf import DictConfig

from detectory.core.config import locate
from detectory.zoo.recipes.cascade import box_predictors_of
from detectory.zoo.recipes.loaders import on_lvis
from detectory.zoo.recipes.training import late_steps

_logger = logging.getLogger(__name__)
_NUM_CLASSES = 1203
_ITERATIONS_OF_100_EPOCHS = 156_250
_MILESTONES_OF_100_EPOCHS = (138_889, 150_463)


def federated_class_weights() -> torch.Tensor:
    """Return how often each class of LVIS v1 is drawn for the loss: the square root of its number of images, (1203,).

    The numbers come from the metadata of `lvis_v1_train`. Where they are not known, because detectory-data is not
    installed or does not have them, the weights are NaN: a checkpoint brings its own, and training from NaN fails.
    """
    try:
        weights = locate("detectory.data.class_weights.get_fed_loss_cls_weights")
        return weights("lvis_v1_train", 0.5)
    except (ImportError, AttributeError, OSError) as error:
        _logger.warning("the model cannot be trained before it has a checkpoint's class weights: %s", error)
        return torch.full((_NUM_CLASSES,), torch.nan)


def trained_on_lvis(config: DictConfig, lr: float, epochs: int) -> DictConfig:
    """Change a config of COCO to LVIS v1.

    Args:
        config: The whole config, changed in place.
        lr: Base learning rate.
        epochs: 100 or 50, in batches of 64.
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
