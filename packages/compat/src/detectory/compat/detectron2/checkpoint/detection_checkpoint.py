"""The checkpointer of detection models, under Detectron2's module path."""

from __future__ import annotations

from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer"]
