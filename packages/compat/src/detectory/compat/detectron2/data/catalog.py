"""Catalogs of datasets under Detectron2's module path."""

from __future__ import annotations

from detectory.data import DatasetCatalog, Metadata, MetadataCatalog

__all__ = ["DatasetCatalog", "Metadata", "MetadataCatalog"]
