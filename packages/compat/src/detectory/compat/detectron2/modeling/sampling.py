"""Sampling of labels under Detectron2's module path."""

from detectory.modeling.sampling import subsample_labels

__all__ = ["subsample_labels"]
