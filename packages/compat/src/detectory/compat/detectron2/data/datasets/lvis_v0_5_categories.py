"""Categories of LVIS v0.5."""

from detectory.compat.detectron2.data.datasets._lvis_categories import lvis_categories

__all__ = ["LVIS_CATEGORIES"]

LVIS_CATEGORIES = lvis_categories("lvis_v0.5")
