"""Deformable convolutions under Detectron2's module path."""

from detectory.modeling.layers import DeformConv, ModulatedDeformConv

__all__ = ["DeformConv", "ModulatedDeformConv"]
