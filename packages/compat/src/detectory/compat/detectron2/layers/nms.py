"""Non-maximum suppression under Detectron2's module path."""

from detectory.ops import batched_nms, batched_nms_rotated, nms, nms_rotated

__all__ = ["batched_nms", "batched_nms_rotated", "nms", "nms_rotated"]
