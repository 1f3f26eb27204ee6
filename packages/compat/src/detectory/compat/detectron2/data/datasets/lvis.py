"""LVIS under Detectron2's module path."""

from detectory.data.datasets import get_lvis_instances_meta, load_lvis_json, register_lvis_instances

__all__ = ["get_lvis_instances_meta", "load_lvis_json", "register_lvis_instances"]
