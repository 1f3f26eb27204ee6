"""Pascal VOC under Detectron2's module path."""

from detectory.data.datasets import load_voc_instances, register_pascal_voc

__all__ = ["load_voc_instances", "register_pascal_voc"]
