"""Registries under fvcore's module path."""

from detectory.core.registry import Registry

__all__ = ["Registry"]
