"""The checkpointer of detection models, under Detectron2's module path."""

from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer"]
