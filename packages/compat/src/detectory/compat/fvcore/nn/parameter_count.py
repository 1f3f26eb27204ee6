"""Parameter counting under fvcore's module path."""

from detectory.modeling.analysis import parameter_count, parameter_count_table

__all__ = ["parameter_count", "parameter_count_table"]
