"""Preparation of built-in datasets: create the files that their authors do not publish.

Progress functions are called with the number of processed images and the total number. Existing files with the same
content are kept. Files with other content are only replaced with `overwrite`, otherwise a `FileExistsError` is raised.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.json_file import read_json
from detectory.data.formats.panoptic.png import read_panoptic_png
from detectory.data.images.reading import read_image
from detectory.data.metadata.facts import fact_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import ids_to_rgb

from .prepared_files import save_json, save_png

Progress = Callable[[int, int], None]

_UNLABELLED = 255


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def separate_coco_semantic_from_panoptic(
    panoptic_json: str | os.PathLike[str],
    panoptic_root: str | os.PathLike[str],
    sem_seg_root: str | os.PathLike[str],
    categories: list[dict[str, Any]] | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> int:
    """Convert panoptic PNG files to the semantic label images of Panoptic FPN.

    Labels: 0 for all things, 1 to 53 for the stuff classes sorted by id, 255 for unlabelled pixels.

    Args:
        panoptic_json: COCO's panoptic annotation file.
        panoptic_root: The folder of its PNG files.
        sem_seg_root: The folder of the label images.
        categories: Dicts with `id` and `isthing`; by default the categories of the annotation file.
        progress: See the module.
        overwrite: See the module.

    Returns:
        The number of label images.

    Raises:
        ValueError: If there are too many categories for 8-bit labels.
        DatasetError: If a segment has an unknown category.
    """
    content = read_json(panoptic_json)
    categories = content["categories"] if categories is None else categories
    if len(categories) > 254:
        raise ValueError(
            "separate_coco_semantic_from_panoptic: categories must have at most 254 entries to fit into 8 bits, "
            f"got {len(categories)}"
        )
    stuff = sorted(category["id"] for category in categories if not category["isthing"])
    labels = {category["id"]: 0 for category in categories if category["isthing"]}
    labels.update({category: label for label, category in enumerate(stuff, start=1)})
    for index, annotation in enumerate(content["annotations"]):
        ids = read_panoptic_png(os.path.join(panoptic_root, annotation["file_name"]))
        semantic = np.full(ids.shape, _UNLABELLED, dtype=np.uint8)
        for segment in annotation["segments_info"]:
            if segment["category_id"] not in labels:
                place = f"annotation of image {annotation['image_id']}"
                message = f"no category has the id {segment['category_id']!r}"
                raise DatasetError(Problem(str(panoptic_json), place, "segments_info.category_id", message))
            semantic[ids == segment["id"]] = labels[segment["category_id"]]
        save_png(Path(sem_seg_root) / f"{Path(annotation['file_name']).stem}.png", semantic, overwrite)
        _report(progress, index + 1, len(content["annotations"]))
    return len(content["annotations"])


def convert_ade20k_labels(
    folder: str | os.PathLike[str], progress: Progress | None = None, overwrite: bool = False
) -> int:
    """Shift ADE20K's labels, which start at 1 and use 0 for "other": classes become 0 to 149, "other" becomes 255.

    Args:
        folder: The folder `ADEChallengeData2016`. Its `annotations` are read, `annotations_detectron2` is written.
        progress: See the module.
        overwrite: See the module.

    Returns:
        The number of label images.

    Raises:
        FileNotFoundError: If the folder contains no label images.
    """
    root = Path(folder)
    files = sorted((root / "annotations").rglob("*.png"))
    if not files:
        raise FileNotFoundError(f"convert_ade20k_labels: no *.png files in {root / 'annotations'}")
    for index, file in enumerate(files):
        labels = read_image(file, "L")[:, :, 0] - np.uint8(1)  # 0 wraps around to 255
        save_png(root / "annotations_detectron2" / file.relative_to(root / "annotations"), labels, overwrite)
        _report(progress, index + 1, len(files))
    return len(files)


def cocofy_lvis(
    input_file: str | os.PathLike[str], output_file: str | os.PathLike[str], overwrite: bool = False
) -> int:
    """Keep only the classes of LVIS v0.5 that COCO also has, with COCO's ids, to evaluate COCO models with LVIS.

    Categories are matched by WordNet synset; the mapping is in `metadata/facts/lvis_to_coco.json`.

    Args:
        input_file: For example `lvis_v0.5_val.json`.
        output_file: For example `lvis_v0.5_val_cocofied.json`.
        overwrite: See the module.

    Returns:
        The number of annotations that were kept.
    """
    content = read_json(input_file)
    coco_id_by_synset = fact_file("lvis_to_coco.json")
    coco_ids = {
        category["id"]: coco_id_by_synset[category["synset"]]
        for category in content["categories"]
        if category.get("synset") in coco_id_by_synset
    }
    names = {category["id"]: category["name"] for category in fact_file("coco_categories.json")}
    content["annotations"] = [
        {**annotation, "category_id": coco_ids[annotation["category_id"]]}
        for annotation in content["annotations"]
        if annotation["category_id"] in coco_ids
    ]
    for image in content["images"]:
        for key in ("not_exhaustive_category_ids", "neg_category_ids"):
            image[key] = sorted({coco_ids[category] for category in image.get(key, []) if category in coco_ids})
    content["categories"] = [
        _counted_category(category, names[category], content["annotations"])
        for category in sorted(set(coco_ids.values()))
    ]
    save_json(Path(output_file), content, overwrite)
    return len(content["annotations"])


def _counted_category(category: int, name: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    image_ids = [annotation["image_id"] for annotation in annotations if annotation["category_id"] == category]
    image_count = len(set(image_ids))
    return {
        "id": category,
        "name": name,
        "synonyms": [name],
        "image_count": image_count,
        "instance_count": len(image_ids),
        # LVIS: rare classes are in up to 10 training images, common ones in up to 100.
        "frequency": "r" if image_count <= 10 else "c" if image_count <= 100 else "f",
    }


def create_cityscapes_train_ids(
    folder: str | os.PathLike[str], progress: Progress | None = None, overwrite: bool = False
) -> int:
    """Convert Cityscapes' `labelIds.png` files to `labelTrainIds.png` files: 19 classes, 255 for all other labels.

    Args:
        folder: The folder `cityscapes`, which contains `gtFine`.
        progress: See the module.
        overwrite: See the module.

    Returns:
        The number of label images.

    Raises:
        FileNotFoundError: If the folder contains no label images.
    """
    files = sorted((Path(folder) / "gtFine").rglob("*_labelIds.png"))
    if not files:
        raise FileNotFoundError(f"create_cityscapes_train_ids: no *_labelIds.png files in {Path(folder) / 'gtFine'}")
    train_id_of_label = np.full(256, _UNLABELLED, dtype=np.uint8)
    for category in fact_file("cityscapes_categories.json"):
        train_id_of_label[category["id"]] = category["trainId"]
    for index, file in enumerate(files):
        train_ids = train_id_of_label[read_image(file, "L")[:, :, 0]]
        save_png(file.with_name(file.name.replace("_labelIds", "_labelTrainIds")), train_ids, overwrite)
        _report(progress, index + 1, len(files))
    return len(files)


def create_cityscapes_panoptic(
    folder: str | os.PathLike[str], split: str, progress: Progress | None = None, overwrite: bool = False
) -> int:
    """Convert Cityscapes' `instanceIds.png` files to panoptic PNG files and an annotation file.

    Args:
        folder: The folder `cityscapes`, which contains `gtFine`.
        split: `"train"`, `"val"` or `"test"`.
        progress: See the module.
        overwrite: See the module.

    Returns:
        The number of images in `gtFine/cityscapes_panoptic_{split}`.

    Raises:
        FileNotFoundError: If the folder contains no label images.
    """
    root = Path(folder) / "gtFine"
    files = sorted((root / split).rglob("*_instanceIds.png"))
    if not files:
        raise FileNotFoundError(f"create_cityscapes_panoptic: no *_instanceIds.png files in {root / split}")
    categories = fact_file("cityscapes_categories.json")
    is_thing = {category["id"]: bool(category["isthing"]) for category in categories}
    images, annotations = [], []
    for index, file in enumerate(files):
        stem = file.name.removesuffix("_gtFine_instanceIds.png")
        instance_ids = read_image(file).astype(np.int32)
        segment_ids, segments = _cityscapes_segments(instance_ids, is_thing)
        name = f"{stem}_gtFine_panoptic.png"
        save_png(root / f"cityscapes_panoptic_{split}" / name, ids_to_rgb(segment_ids), overwrite)
        height, width = instance_ids.shape
        images.append({"id": stem, "width": width, "height": height, "file_name": f"{stem}_gtFine_leftImg8bit.png"})
        annotations.append({"image_id": stem, "file_name": name, "segments_info": segments})
        _report(progress, index + 1, len(files))
    content = {"images": images, "annotations": annotations, "categories": categories}
    save_json(root / f"cityscapes_panoptic_{split}.json", content, overwrite)
    return len(files)


def _cityscapes_segments(
    instance_ids: np.ndarray, is_thing: Mapping[int, bool]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return the segment ids, 0 for labels that are not evaluated, and the description of the segments."""
    segment_ids, segments = np.zeros_like(instance_ids), []
    for value in np.unique(instance_ids).tolist():
        label = value if value < 1000 else value // 1000
        if label not in is_thing:
            continue
        mask = instance_ids == value
        segment_ids[mask] = value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        segments.append(
            {
                "id": value,
                "category_id": label,
                "area": int(mask.sum()),
                "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
                # The label of a thing without an instance number marks a group of objects.
                "iscrowd": int(is_thing[label] and value < 1000),
            }
        )
    return segment_ids, segments
