"""Registries under fvcore's module path."""

from __future__ import annotations

from detectory.core.registry import Registry

__all__ = ["Registry"]
