"""Model statistics tables under fvcore's module path."""

from detectory.modeling.analysis import flop_count_str, flop_count_table

__all__ = ["flop_count_str", "flop_count_table"]
