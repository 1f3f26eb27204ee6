"""Category dictionaries of LVIS, in the layout of its annotation files."""

from typing import Any

from detectory.data.metadata.lvis import get_lvis_instances_meta


def lvis_categories(version: str) -> list[dict[str, Any]]:
    """Return `id`, `name` and `synonyms` of every category; for v1 also `image_count` and `frequency`.

    Frequencies are "r" for up to 10 training images, "c" for up to 100 and "f" for more.
    """
    metadata = get_lvis_instances_meta(version)
    names = metadata["thing_classes"]
    categories = [{"id": number, "name": name, "synonyms": [name]} for number, name in enumerate(names, start=1)]
    for category, count in zip(categories, metadata.get("class_image_count", []), strict=False):
        images = count["image_count"]
        category |= {"image_count": images, "frequency": "r" if images <= 10 else "c" if images <= 100 else "f"}
    return categories
