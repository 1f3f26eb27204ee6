"""The settings in `config.train` of a recipe: a wrong one is told before anything is built."""

import logging
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from detectory.core.devices import usable_device
from detectory.core.suggestions import nearest, nearest_names

_REQUIRED = ("max_iter", "output_dir", "init_checkpoint", "device")
#: Setting -> the least whole number that it may be.
_WHOLE_NUMBERS = {"max_iter": 1, "eval_period": -1, "log_period": 1, "accumulation_steps": 1, "reference_world_size": 0}
_GROUPS = (
    *("amp", "checkpointer", "clip_gradients", "ddp", "early_stopping", "fsdp"),
    *("moving_average", "nan_finder", "precise_bn", "profile"),
)
_OTHERS = ("best_metric", "channels_last", "seed", "sync_batch_norm", "writers")
_KNOWN = (*_REQUIRED, *_WHOLE_NUMBERS, *_GROUPS, *_OTHERS)

_logger = logging.getLogger(__name__)


def check_train_settings(settings: DictConfig) -> None:
    """Look at what `train` reads from `config.train`; other settings are somebody's own.

    A setting that nothing reads and that looks like one of `train` is warned about.

    Raises:
        KeyError: one is missing.
        ValueError: one has a value of the wrong kind.
        RuntimeError: the device is not there.
    """
    for name in _REQUIRED:
        if name not in settings:
            raise KeyError(f"train: the recipe has no 'train.{name}': {nearest(name, map(str, settings))}")
    for name, least in _WHOLE_NUMBERS.items():
        value = settings.get(name)
        if value is not None and (type(value) is not int or value < least):
            raise ValueError(f"train: train.{name} must be a whole number of at least {least}, got {value!r}")
    for name in _GROUPS:
        if not isinstance(settings.get(name), (Mapping, DictConfig, type(None))):
            raise ValueError(f"train: train.{name} must be a group of settings, got {settings[name]!r}")
    try:
        usable_device(settings.device)
    except (ValueError, RuntimeError) as error:
        raise type(error)(f"train: train.device: {error}") from error
    for name in map(str, settings):
        meant = [] if name in _KNOWN else nearest_names(name, _KNOWN, limit=1)
        if meant:
            _logger.warning("nothing reads train.%s: did you mean train.%s?", name, meant[0])


def make_output_dir(settings: DictConfig) -> Path:
    """Make `train.output_dir` and return it.

    Raises:
        OSError: it is a file, or cannot be made.
    """
    folder = Path(settings.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"train: train.output_dir={folder} cannot be made: {error.strerror}") from error
    return folder
