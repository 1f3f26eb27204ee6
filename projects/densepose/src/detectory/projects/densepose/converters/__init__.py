"""Conversion of predictor outputs to charts and masks of boxes, and to their mirror images."""

from .hflip import hflip
from .to_boxes import integer_box, to_chart_result, to_chart_result_with_confidences, to_masks

__all__ = ["hflip", "integer_box", "to_chart_result", "to_chart_result_with_confidences", "to_masks"]
