"""Validation of a recipe's `config.train` settings before anything is built."""

import logging
from collections.abc import Mapping

from omegaconf import DictConfig

from detectory.core.devices import usable_device
from detectory.core.suggestions import nearest, nearest_names

_REQUIRED = ("max_iter", "output_dir", "init_checkpoint", "device")
#: Setting -> its minimum.
_INTEGERS = {"max_iter": 1, "eval_period": -1, "log_period": 1, "accumulation_steps": 1, "reference_world_size": 0}
_GROUPS = (
    *("amp", "checkpointer", "clip_gradients", "ddp", "early_stopping", "fsdp"),
    *("moving_average", "nan_finder", "precise_bn", "profile"),
)
_OTHERS = (
    "best_metric",
    "channels_last",
    "init_dataset",
    "quantize",
    "seconds_per_evaluation",
    "seed",
    "sync_batch_norm",
    "writers",
)
_KNOWN = (*_REQUIRED, *_INTEGERS, *_GROUPS, *_OTHERS)

_logger = logging.getLogger(__name__)


def check_train_settings(settings: DictConfig) -> None:
    """Validate the settings that `train` reads from `config.train`. Other settings are allowed.

    An unknown setting whose name resembles a known one is logged as a warning.

    Raises:
        KeyError: If a required setting is missing.
        ValueError: If a setting has an invalid value.
        RuntimeError: If the device is unavailable.
    """
    for name in _REQUIRED:
        if name not in settings:
            raise KeyError(f"train: missing setting 'train.{name}': {nearest(name, map(str, settings))}")
    for name, minimum in _INTEGERS.items():
        value = settings.get(name)
        if value is not None and (type(value) is not int or value < minimum):
            raise ValueError(f"train: train.{name} must be an integer >= {minimum}, got {value!r}")
    for name in _GROUPS:
        if not isinstance(settings.get(name), (Mapping, DictConfig, type(None))):
            raise ValueError(f"train: train.{name} must be a group of settings, got {settings[name]!r}")
    stopping = settings.get("early_stopping")
    if stopping and "val_metric" not in stopping:
        raise ValueError(
            "train: train.early_stopping.val_metric must be set, for example +train.early_stopping.val_metric=bbox/AP"
        )
    try:
        usable_device(settings.device)
    except (ValueError, RuntimeError) as error:
        raise type(error)(f"train: train.device: {error}") from error
    for name in map(str, settings):
        similar = [] if name in _KNOWN else nearest_names(name, _KNOWN, limit=1)
        if similar:
            _logger.warning("unknown setting train.%s is ignored; did you mean train.%s?", name, similar[0])
