"""Pascal VOC under Detectron2's module path."""

from detectory.data import register_pascal_voc
from detectory.data.formats import load_voc_instances
from detectory.data.metadata.voc import VOC_CLASSES

__all__ = ["CLASS_NAMES", "load_voc_instances", "register_pascal_voc"]

CLASS_NAMES = tuple(VOC_CLASSES)
