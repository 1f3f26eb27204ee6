"""Box pairs of trackers under Detectron2's module path."""

from detectory.engine.tracking import create_prediction_pairs

__all__ = ["create_prediction_pairs"]
