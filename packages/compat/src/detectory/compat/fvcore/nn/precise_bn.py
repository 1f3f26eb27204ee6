"""Precise batch norm under fvcore's module path."""

from detectory.engine.hooks.precise_batch_norm import get_bn_modules, update_bn_stats

__all__ = ["get_bn_modules", "update_bn_stats"]
