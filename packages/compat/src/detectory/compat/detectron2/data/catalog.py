"""Dataset catalogs under Detectron2's module path."""

from detectory.data import DatasetCatalog, Metadata, MetadataCatalog
from detectory.data.catalog import _DatasetCatalog, _MetadataCatalog

__all__ = ["DatasetCatalog", "Metadata", "MetadataCatalog", "_DatasetCatalog", "_MetadataCatalog"]
