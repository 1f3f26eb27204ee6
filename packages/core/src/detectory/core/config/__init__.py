"""Lazy configs: LazyCall nodes, config files, overrides and instantiation."""

from detectory.core.config.dotted_path import dotted_path, locate
from detectory.core.config.instantiate import instantiate
from detectory.core.config.lazy_call import LazyCall
from detectory.core.config.lazy_config import LazyConfig

__all__ = ["LazyCall", "LazyConfig", "dotted_path", "instantiate", "locate"]
