"""Box pairs of trackers under Detectron2's module path."""

from detectory.engine.tracking import LARGE_COST_VALUE, create_prediction_pairs

__all__ = ["LARGE_COST_VALUE", "create_prediction_pairs"]
