"""Number of training images per category of LVIS v1."""

from typing import Any

from detectory.data.metadata.lvis import get_lvis_instances_meta

__all__ = ["LVIS_CATEGORY_IMAGE_COUNT"]  # noqa: F822 (read from its file when asked for)


def __getattr__(name: str) -> Any:
    if name == "LVIS_CATEGORY_IMAGE_COUNT":
        return get_lvis_instances_meta("lvis_v1")["class_image_count"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
