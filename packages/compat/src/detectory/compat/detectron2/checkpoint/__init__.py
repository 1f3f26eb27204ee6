"""Checkpoints under Detectron2's module path."""

from detectory.compat.detectron2.checkpoint import catalog
from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer, PeriodicCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer", "PeriodicCheckpointer", "catalog"]
