"""Make the files that some built-in datasets need from those that their authors publish."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detectory.core.storage import atomic_write
from detectory.data.formats.json_file import read_json
from detectory.data.formats.panoptic.png import ids_to_rgb, read_panoptic_png
from detectory.data.images.reading import read_image
from detectory.data.metadata.facts import fact_file
from detectory.data.problems import DatasetError, Problem

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


def _save_png(path: Path, array: np.ndarray) -> None:
    """Write a PNG that appears whole or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(array).save(file, format="PNG")


def _step(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def separate_coco_semantic_from_panoptic(
    panoptic_json: str | os.PathLike[str],
    panoptic_root: str | os.PathLike[str],
    sem_seg_root: str | os.PathLike[str],
    categories: list[dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> int:
    """Turn panoptic PNG files into label images for Panoptic FPN.

    Things become 0, stuff classes 1 to 53 in the order of their ids, unlabelled pixels 255.

    Args:
        panoptic_json: COCO's panoptic annotation file.
        panoptic_root: The folder of its PNG files.
        sem_seg_root: Where label images go; files there are replaced.
        categories: Dicts with `id` and `isthing`; those of the annotation file by default.
        progress: Called with how many images are done and how many there are.

    Returns:
        How many label images were written.
    """
    content = read_json(panoptic_json)
    categories = content["categories"] if categories is None else categories
    if len(categories) > 254:
        raise ValueError(f"separate_coco_semantic_from_panoptic: at most 254 categories, got {len(categories)}")
    stuff = sorted(category["id"] for category in categories if not category["isthing"])
    labels = {category["id"]: 0 for category in categories if category["isthing"]}
    labels.update({category: number + 1 for number, category in enumerate(stuff)})
    for done, annotation in enumerate(content["annotations"]):
        ids = read_panoptic_png(os.path.join(panoptic_root, annotation["file_name"]))
        semantic = np.full(ids.shape, 255, dtype=np.uint8)
        for segment in annotation["segments_info"]:
            if segment["category_id"] not in labels:
                place = f"image {annotation['image_id']}"
                message = f"no category has the id {segment['category_id']!r}"
                raise DatasetError(Problem(str(panoptic_json), place, "segments_info.category_id", message))
            semantic[ids == segment["id"]] = labels[segment["category_id"]]
        _save_png(Path(sem_seg_root) / f"{Path(annotation['file_name']).stem}.png", semantic)
        _step(progress, done + 1, len(content["annotations"]))
    return len(content["annotations"])


def convert_ade20k_labels(folder: str | os.PathLike[str], progress: Progress | None = None) -> int:
    """Shift ADE20k's labels, which count from 1 with 0 for "other": classes become 0 to 149, "other" 255.

    Args:
        folder: `ADEChallengeData2016`; its `annotations` are read, `annotations_detectron2` is written.
        progress: Called with how many images are done and how many there are.

    Returns:
        How many label images were written.
    """
    root = Path(folder)
    files = sorted((root / "annotations").rglob("*.png"))
    if not files:
        raise FileNotFoundError(f"convert_ade20k_labels: no *.png below {root / 'annotations'}")
    for done, file in enumerate(files):
        # 0 - 1 wraps to 255.
        labels = read_image(file, "L")[:, :, 0] - np.uint8(1)
        _save_png(root / "annotations_detectron2" / file.relative_to(root / "annotations"), labels)
        _step(progress, done + 1, len(files))
    return len(files)


def cocofy_lvis(input_file: str | os.PathLike[str], output_file: str | os.PathLike[str]) -> int:
    """Keep the classes of LVIS v0.5 that COCO has too, under COCO's ids, to evaluate COCO's models with LVIS.

    Categories are matched by their WordNet synsets, listed in this package's `facts/lvis_to_coco.json`.

    Args:
        input_file: For example `lvis_v0.5_val.json`.
        output_file: For example `lvis_v0.5_val_cocofied.json`.

    Returns:
        How many annotations were kept.
    """
    content = read_json(input_file)
    by_synset = fact_file("lvis_to_coco.json")
    coco_of = {
        category["id"]: by_synset[category["synset"]]
        for category in content["categories"]
        if category.get("synset") in by_synset
    }
    names = {category["id"]: category["name"] for category in fact_file("coco_categories.json")}
    content["annotations"] = [
        {**annotation, "category_id": coco_of[annotation["category_id"]]}
        for annotation in content["annotations"]
        if annotation["category_id"] in coco_of
    ]
    for image in content["images"]:
        for key in ("not_exhaustive_category_ids", "neg_category_ids"):
            image[key] = sorted({coco_of[category] for category in image.get(key, []) if category in coco_of})
    content["categories"] = _counted_categories(content, sorted(set(coco_of.values())), names)
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
    return len(content["annotations"])


def _counted_categories(content: dict[str, Any], ids: list[int], names: dict[int, str]) -> list[dict[str, Any]]:
    categories = []
    for category in ids:
        of_category = [one["image_id"] for one in content["annotations"] if one["category_id"] == category]
        images = len(set(of_category))
        categories.append(
            {
                "id": category,
                "name": names[category],
                "synonyms": [names[category]],
                "image_count": images,
                "instance_count": len(of_category),
                # LVIS calls a category rare up to 10 training images, common up to 100.
                "frequency": "r" if images <= 10 else "c" if images <= 100 else "f",
            }
        )
    return categories


def create_cityscapes_train_ids(folder: str | os.PathLike[str], progress: Progress | None = None) -> int:
    """Write Cityscapes' `labelTrainIds.png` beside its `labelIds.png`: 19 classes, the rest 255.

    Args:
        folder: `cityscapes`, with `gtFine` in it.
        progress: Called with how many images are done and how many there are.

    Returns:
        How many label images were written.
    """
    files = sorted((Path(folder) / "gtFine").rglob("*_labelIds.png"))
    if not files:
        raise FileNotFoundError(f"create_cityscapes_train_ids: no *_labelIds.png below {Path(folder) / 'gtFine'}")
    table = np.full(256, 255, dtype=np.uint8)
    for category in fact_file("cityscapes_categories.json"):
        table[category["id"]] = category["trainId"]
    for done, file in enumerate(files):
        train_ids = table[read_image(file, "L")[:, :, 0]]
        _save_png(file.with_name(file.name.replace("_labelIds", "_labelTrainIds")), train_ids)
        _step(progress, done + 1, len(files))
    return len(files)


def create_cityscapes_panoptic(folder: str | os.PathLike[str], split: str, progress: Progress | None = None) -> int:
    """Write Cityscapes' panoptic PNG files and their annotation file from its `instanceIds.png`.

    Args:
        folder: `cityscapes`, with `gtFine` in it.
        split: `"train"`, `"val"` or `"test"`.
        progress: Called with how many images are done and how many there are.

    Returns:
        How many images were written to `gtFine/cityscapes_panoptic_{split}`.
    """
    root = Path(folder) / "gtFine"
    files = sorted((root / split).rglob("*_instanceIds.png"))
    if not files:
        raise FileNotFoundError(f"create_cityscapes_panoptic: no *_instanceIds.png below {root / split}")
    categories = fact_file("cityscapes_categories.json")
    things = {category["id"]: category["isthing"] for category in categories}
    images, annotations = [], []
    for done, file in enumerate(files):
        stem = file.name.removesuffix("_gtFine_instanceIds.png")
        ids = read_image(file).astype(np.int32)
        shown, segments = _panoptic_segments(ids, things)
        name = f"{stem}_gtFine_panoptic.png"
        _save_png(root / f"cityscapes_panoptic_{split}" / name, ids_to_rgb(shown))
        height, width = ids.shape
        images.append({"id": stem, "width": width, "height": height, "file_name": f"{stem}_gtFine_leftImg8bit.png"})
        annotations.append({"image_id": stem, "file_name": name, "segments_info": segments})
        _step(progress, done + 1, len(files))
    content = {"images": images, "annotations": annotations, "categories": categories}
    with atomic_write(root / f"cityscapes_panoptic_{split}.json", "w") as out:
        json.dump(content, out)
    return len(files)


def _panoptic_segments(ids: np.ndarray, things: dict[int, int]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Blank what is not evaluated and describe the other segments."""
    shown, segments = np.zeros_like(ids), []
    for value in np.unique(ids).tolist():
        label = value if value < 1000 else value // 1000
        if label not in things:
            continue
        mask = ids == value
        shown[mask] = value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        segments.append(
            {
                "id": value,
                "category_id": label,
                "area": int(mask.sum()),
                "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
                # A thing without a number of its own is a group.
                "iscrowd": int(bool(things[label]) and value < 1000),
            }
        )
    return shown, segments
