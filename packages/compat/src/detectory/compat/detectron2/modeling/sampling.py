"""Sampling of labels under Detectron2's module path."""

from detectory.compat.detectron2.layers.wrappers import nonzero_tuple
from detectory.modeling.sampling import subsample_labels

__all__ = ["nonzero_tuple", "subsample_labels"]
