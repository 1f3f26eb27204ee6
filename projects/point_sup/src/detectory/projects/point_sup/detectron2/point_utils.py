"""Point targets under Detectron2's module path."""

from detectory.projects.point_sup import get_point_coords_from_point_annotation

__all__ = ["get_point_coords_from_point_annotation"]
