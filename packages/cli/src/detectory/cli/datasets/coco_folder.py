"""Dataset folders with COCO files: annotation files and their image folders."""

from dataclasses import dataclass
from pathlib import Path

from detectory.core.storage import read_json
from detectory.data import DatasetCatalog, MetadataCatalog, register_coco_instances
from detectory.data.formats.coco.categories import contiguous_categories
from detectory.data.formats.layouts import find_image_root
from detectory.data.sources import Source, find_sources


@dataclass(frozen=True)
class Split:
    """An annotation file and the folder of its images."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class CocoFolder:
    """A dataset with a COCO file per split, in a layout that `find_sources` knows.

    For example `annotations/instances_train*.json` next to `train*/` (COCO), or `train/_annotations.coco.json`
    (Roboflow), and likewise for `val` or `valid`.

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
    def find(cls, folder: Path, val: str = "val") -> "CocoFolder":
        """Return the splits and classes of a folder.

        Args:
            folder: The folder.
            val: The split to evaluate on, for example "test".

        Raises:
            FileNotFoundError: If the folder, an annotation file or an image folder is missing.
            ValueError: If an annotation file is not in COCO format.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder")
        sources = find_sources(folder)
        train, test = (_find_split(folder, name, sources) for name in ("train", val))
        return cls(train, test, *_classes(train.annotations))

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


def _find_split(folder: Path, name: str, sources: list[Source]) -> Split:
    """Return the annotation file of a split: `instances_<name>*.json` before other files for the same split."""
    files = [source for source in sources if source.format == "coco" and source.split.startswith(name)]
    # COCO stores keypoints, captions and stuff next to the instances of a split.
    files.sort(key=lambda source: (source.split != name, not source.path.name.startswith("instances_")))
    if not files:
        found = ", ".join(map(str, sources))
        hint = ""
        if any(source.format != "coco" for source in sources):
            hint = f". Other formats are converted with 'detectory data convert {folder} OUTPUT'"
        raise FileNotFoundError(f"{folder}: no COCO annotation file for the split {name!r}, found only {found}{hint}")
    file = files[0].path
    content = read_json(file)
    images = content.get("images") if isinstance(content, dict) else None
    names = [str(image.get("file_name")) for image in images or [] if isinstance(image, dict)]
    return Split(file, files[0].images or find_image_root(file, names))


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
