"""ROI pooler under Detectron2's module path."""

from detectory.modeling.poolers import ROIPooler, assign_boxes_to_levels, convert_boxes_to_pooler_format

__all__ = ["ROIPooler", "assign_boxes_to_levels", "convert_boxes_to_pooler_format"]
