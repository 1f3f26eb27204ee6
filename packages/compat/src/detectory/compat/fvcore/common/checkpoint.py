"""Checkpoints under fvcore's module path."""

from __future__ import annotations

from detectory.core.checkpoint import Checkpointer, PeriodicCheckpointer

__all__ = ["Checkpointer", "PeriodicCheckpointer"]
