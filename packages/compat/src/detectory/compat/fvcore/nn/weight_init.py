"""Weight initialisation under fvcore's module path."""

from detectory.modeling.layers import c2_msra_fill, c2_xavier_fill

__all__ = ["c2_msra_fill", "c2_xavier_fill"]
