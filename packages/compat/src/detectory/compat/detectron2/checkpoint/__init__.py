"""Checkpoints under Detectron2's module path."""

from detectory.compat.detectron2.checkpoint import catalog
from detectory.compat.detectron2.checkpoint.detection_checkpoint import Checkpointer, DetectionCheckpointer
from detectory.core.checkpoint import PeriodicCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer", "PeriodicCheckpointer", "catalog"]
