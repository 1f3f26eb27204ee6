"""DatasetFolder: the splits and classes of a dataset, as COCO files and image folders."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from detectory.core.distributed import is_main_process
from detectory.data.catalog import DatasetCatalog, MetadataCatalog
from detectory.data.formats.coco.categories import contiguous_categories
from detectory.data.formats.coco.geometry import rotation_attribute
from detectory.data.formats.file_names import file_name_problem
from detectory.data.formats.json_file import read_json
from detectory.data.formats.layouts import Source, find_image_root
from detectory.data.registration import register_coco_instances
from detectory.data.sources import find_sources

from .coco_files import converted_splits
from .splits import choose_splits

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """An annotation file in COCO format and the folder of its images."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class DatasetFolder:
    """A dataset with a training and a validation split, in any layout that `find_sources` knows.

    COCO files are used as they are. Datasets in other formats, such as YOLO, Pascal VOC, LabelMe or CVAT, are converted
    to COCO files in the cache (`$DETECTORY_CACHE`), without a change to the dataset or a copy of its images. A changed
    dataset is converted again.

    Attributes:
        train: Training split.
        val: Validation split.
        classes: Class names of the training split in the order of their category ids.
        category_ids: The category ids.
        num_keypoints: Number of keypoints of an object, 0 without keypoints.
        val_origin: Origin of the validation images: the requested split, the split "test" instead of a missing
            validation split, a part of the training images, or all of them if there is only one.
    """

    train: Split
    val: Split
    classes: tuple[str, ...]
    category_ids: tuple[int | str, ...]
    num_keypoints: int
    val_origin: Literal["split", "test", "held out", "training images"] = "split"

    @classmethod
    def find(
        cls,
        folder: str | os.PathLike[str],
        val: str = "val",
        *,
        needs_train: bool = True,
        keypoints: bool = False,
    ) -> "DatasetFolder":
        """Return the splits and classes of a folder.

        Without a split "val", the split "test" or a part of the training images is used for validation, with a warning.

        Args:
            folder: The folder, or the configuration or annotation file of a dataset.
            val: The split to evaluate on, for example "test".
            needs_train: Whether the dataset is used for training. Otherwise a missing training split is replaced by the
                validation split, and a dataset without splits is evaluated as a whole.
            keypoints: Whether to prefer COCO's files of keypoints to those of instances.

        Raises:
            FileNotFoundError: If the folder, the annotations of a split or an image folder is missing.
            ValueError: If annotations are invalid.
        """
        path = Path(folder)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        chosen = choose_splits(path, find_sources(path), val, needs_train, keypoints=keypoints)
        messages = [chosen.message] if chosen.message else []
        splits = {"train": chosen.train} if chosen.train == chosen.val else {"train": chosen.train, val: chosen.val}
        files = {}
        if not chosen.is_held_out:
            found = {name: _coco_file(sources) for name, sources in splits.items()}
            files = {name: split for name, split in found.items() if split is not None}
        others = {name: sources for name, sources in splits.items() if name not in files}
        if others:
            converted = converted_splits(path, others, held_out=val if chosen.is_held_out else "")
            messages += converted.messages
            files |= {name: Split(*file) for name, file in converted.files.items()}
        for message in messages if is_main_process() else ():
            _logger.warning(message)
        validation = files.get(val, files["train"])
        origin: Any = "test" if chosen.message else "split"
        if chosen.is_held_out:
            origin = "held out" if _image_names(validation) != _image_names(files["train"]) else "training images"
        return cls(files["train"], validation, *_classes(files["train"].annotations), origin)

    def register(self, name: str) -> tuple[str, str]:
        """Register both splits under the names `name_train` and `name_val`, and return these names.

        Datasets registered earlier under these names, from another folder, are replaced. Training and evaluation match
        the classes of the validation split by name to those of the model.
        """
        names = f"{name}_train", f"{name}_val"
        for dataset, split in zip(names, (self.train, self.val), strict=True):
            if dataset in DatasetCatalog:
                DatasetCatalog.remove(dataset)
                MetadataCatalog.remove(dataset)
            register_coco_instances(dataset, {}, str(split.annotations), str(split.images))
        MetadataCatalog.get(names[0]).thing_classes = list(self.classes)
        return names


def _image_names(split: Split) -> list[str]:
    return [image["file_name"] for image in read_json(split.annotations)["images"]]


def _coco_file(sources: tuple[Source, ...]) -> Split | None:
    """Return the COCO file of a split, or None if the split must be converted.

    CVAT stores rotated boxes in attributes, which other readers of COCO files ignore. Absolute image names must be
    replaced.
    """
    source, *others = sources
    if others or source.format != "coco":
        return None
    content = read_json(source.path)
    images, annotations = (_dicts_in(content, key) for key in ("images", "annotations"))
    names = [str(image.get("file_name")) for image in images]
    if any(rotation_attribute(annotation) for annotation in annotations) or any(map(file_name_problem, names)):
        return None
    return Split(source.path, source.images or find_image_root(source.path, names))


def _dicts_in(content: Any, key: str) -> list[dict[str, Any]]:
    values = content.get(key) if isinstance(content, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _classes(annotations: Path) -> tuple[tuple[str, ...], tuple[int | str, ...], int]:
    """Return names, ids and number of keypoints of the categories of a file."""
    try:
        categories = read_json(annotations)["categories"]
        names, indices = contiguous_categories(categories)
        keypoints = [len(category["keypoints"]) for category in categories if category.get("keypoints")]
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(
            f"{annotations}: not a COCO annotation file: expected an object with a list 'categories' of ids and names"
        ) from error
    return tuple(names), tuple(indices), max(keypoints, default=0)
