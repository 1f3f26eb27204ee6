"""Registration of datasets with points under Detectron2's module path."""

from detectory.projects.point_sup import register_coco_instances_with_points

__all__ = ["register_coco_instances_with_points"]
