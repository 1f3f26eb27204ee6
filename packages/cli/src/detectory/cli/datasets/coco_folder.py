"""Dataset folders in COCO layout: annotation files and their image folders."""

from dataclasses import dataclass
from pathlib import Path

from detectory.core.storage import read_json
from detectory.data import DatasetCatalog, MetadataCatalog, register_coco_instances
from detectory.data.formats.coco.categories import contiguous_categories


@dataclass(frozen=True)
class Split:
    """An annotation file and the folder of its images."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class CocoFolder:
    """A dataset in COCO layout: `annotations/instances_train*.json` next to `train*/`, and likewise for `val`.

    Attributes:
        train: Training split.
        val: Validation split.
        classes: Class names of the training split in the order of their category ids.
        category_ids: The category ids.
        num_keypoints: Number of keypoints of an object, 0 without keypoints.
    """

    train: Split
    val: Split
    classes: tuple[str, ...]
    category_ids: tuple[int | str, ...]
    num_keypoints: int

    @classmethod
    def find(cls, folder: Path) -> "CocoFolder":
        """Return the splits and classes of a folder.

        Raises:
            FileNotFoundError: If the folder, an annotation file or an image folder is missing.
            ValueError: If an annotation file is not in COCO format.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder")
        train, val = (_find_split(folder, name) for name in ("train", "val"))
        return cls(train, val, *_classes(train.annotations))

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


def _find_split(folder: Path, name: str) -> Split:
    files = sorted((folder / "annotations").glob(f"instances_{name}*.json"))
    if not files:
        raise FileNotFoundError(f"{folder}: not a folder in COCO layout: annotations/instances_{name}*.json is missing")
    suffix = files[0].stem.removeprefix("instances_")
    for images in (folder / suffix, folder / "images" / suffix, folder / name, folder / "images"):
        if images.is_dir():
            return Split(files[0], images)
    raise FileNotFoundError(f"{folder}: no image folder {suffix}/ or images/{suffix}/ for {files[0].name}")


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
