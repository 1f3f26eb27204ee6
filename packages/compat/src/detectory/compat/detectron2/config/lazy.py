"""`LazyCall` and `LazyConfig` under Detectron2's module path."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from omegaconf import DictConfig

from detectory.core import config as native

__all__ = ["LazyCall", "LazyConfig"]

_logger = logging.getLogger(__name__)


class LazyConfig(native.LazyConfig):
    """A `LazyConfig` with Detectron2's overrides, which may change the type of a value and add keys."""

    @staticmethod
    def apply_overrides(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Apply command-line overrides to `cfg` in place; a new key is reported in the log.

        Args:
            cfg: The config.
            overrides: The forms of `detectory.core.config.LazyConfig.apply_overrides`.

        Returns:
            `cfg`.

        Raises:
            KeyError: If a parent of the key is a value.
        """
        for override in overrides:
            try:
                native.LazyConfig.apply_overrides(cfg, [override])
            except (KeyError, ValueError) as error:
                if override.startswith(("+", "~")):
                    raise
                native.LazyConfig.apply_overrides(cfg, [f"+{override}"])
                if isinstance(error, KeyError):
                    _logger.warning("apply_overrides: '%s' added a new key to the config", override)
        return cfg


class LazyCall(native.LazyCall):
    """A `LazyCall` that accepts any argument, as Detectron2's does; `instantiate` rejects invalid ones."""

    def _as_value(self, target: Callable[..., Any]) -> Any:
        # Wrapped in an object until the config is saved; omegaconf would treat a dataclass as a schema.
        return super()._as_value(target) if is_dataclass(target) else target

    def _check(self, target: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        del target, arguments
