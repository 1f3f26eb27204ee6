"""Checkpoints under fvcore's module path."""

from detectory.core.checkpoint import Checkpointer, PeriodicCheckpointer

__all__ = ["Checkpointer", "PeriodicCheckpointer"]
