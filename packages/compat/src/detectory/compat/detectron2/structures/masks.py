"""Masks under Detectron2's module path."""

from detectory.structures import (
    BitMasks,
    Boxes,
    PolygonMasks,
    ROIMasks,
    polygon_area,
    polygons_to_bitmask,
    rasterize_polygons_within_box,
)

__all__ = [
    "BitMasks",
    "Boxes",
    "PolygonMasks",
    "ROIMasks",
    "polygon_area",
    "polygons_to_bitmask",
    "rasterize_polygons_within_box",
]
