"""Registration of COCO files under the module path of early Detectron2 versions."""

from detectory.data import register_coco_instances, register_coco_panoptic_separated

__all__ = ["register_coco_instances", "register_coco_panoptic_separated"]
