"""Masks of single objects: conversions, outlines and connected components."""

from .generic_mask import GenericMask

__all__ = ["GenericMask"]
