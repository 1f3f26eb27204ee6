"""Registration of datasets in COCO's format with the annotation fields of DensePose."""

import os
from typing import Any

from detectory.core.storage import local_path, read_json
from detectory.data import DatasetCatalog, DatasetError, MetadataCatalog
from detectory.structures import BoxMode

from .categories import select_annotations
from .checks import annotation_problem

#: Annotation fields of DensePose.
FIELDS = ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "dp_masks", "dp_vertex", "ref_model")
#: Published tables of the symmetries of the charts.
UV_SYMMETRIES_URL = "https://dl.fbaipublicfiles.com/densepose/data/UV_symmetry_transforms.mat"


def load_densepose_json(annotations_file: str, image_root: str, dataset_name: str) -> list[dict[str, Any]]:
    """Load an annotation file and set the classes in the metadata of the dataset.

    Args:
        annotations_file: Annotation file in COCO's format with the fields of DensePose.
        image_root: Folder of the images.
        dataset_name: Registered dataset; its selected categories become classes in ascending order of their ids.

    Returns:
        One record per image with annotations. Annotations have the fields of DensePose if present.

    Raises:
        DatasetError: If an annotation is invalid; the message contains file, annotation and field.
    """
    content = read_json(local_path(annotations_file))
    for index, entry in enumerate(content["annotations"]):
        if problem := annotation_problem(entry):
            name = entry.get("id", index)
            raise DatasetError(f"{annotations_file}: annotation {name}: {problem}")
    annotations = select_annotations(dataset_name, content["annotations"])
    names = {category["id"]: category["name"] for category in content["categories"]}
    has_selection = getattr(MetadataCatalog.get(dataset_name), "densepose_whitelist", None) is not None
    used = {entry["category_id"] for entry in annotations}
    ids = sorted(used) if has_selection else sorted(set(names) | used)
    classes = {category: label for label, category in enumerate(ids)}
    MetadataCatalog.get(dataset_name).set(
        thing_dataset_id_to_contiguous_id=classes,
        thing_classes=[names.get(category, str(category)) for category in ids],
    )
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for entry in annotations:
        by_image.setdefault(entry["image_id"], []).append(_annotation(entry, classes))
    return [
        {
            "file_name": os.path.join(image_root, image.get("file_name", "")),
            "height": image["height"],
            "width": image["width"],
            "image_id": image["id"],
            "annotations": by_image[image["id"]],
        }
        for image in content["images"]
        if image["id"] in by_image
    ]


def _annotation(entry: dict[str, Any], classes: dict[int, int]) -> dict[str, Any]:
    kept = {"iscrowd": entry.get("iscrowd", 0), "bbox": entry["bbox"], "bbox_mode": BoxMode.XYWH_ABS}
    kept["category_id"] = classes[entry["category_id"]]
    for name in (*FIELDS, "segmentation"):
        if entry.get(name):
            kept[name] = entry[name]
    return kept


def register_densepose(
    dataset_name: str,
    annotations_file: str,
    image_root: str,
    evaluator_type: str = "coco",
    **metadata: Any,
) -> None:
    """Register a dataset; its file is read when the dataset is loaded.

    Args:
        dataset_name: Name of the dataset.
        annotations_file: Path or URL of the annotation file.
        image_root: Folder of the images.
        evaluator_type: Value of the metadata with this name.
        metadata: Further metadata.
    """
    DatasetCatalog.register(dataset_name, lambda: load_densepose_json(annotations_file, image_root, dataset_name))
    MetadataCatalog.get(dataset_name).set(
        json_file=annotations_file,
        image_root=image_root,
        evaluator_type=evaluator_type,
        densepose_transform_src=UV_SYMMETRIES_URL,
        **metadata,
    )
