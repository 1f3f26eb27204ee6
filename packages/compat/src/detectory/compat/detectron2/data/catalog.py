"""Dataset catalogs under Detectron2's module path."""

from detectory.data import DatasetCatalog, Metadata, MetadataCatalog

__all__ = ["DatasetCatalog", "Metadata", "MetadataCatalog"]
