"""Image ids and category ids of prediction results, as in the annotations of the run."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.classes import ClassList, align_classes


class ResultIds:
    """Assigns image ids and category ids to images.

    An image of an annotated dataset keeps its image id, and its results have the category ids of this dataset. Other
    images get unused ids, and the category ids of the training data.

    Args:
        classes: The classes of the model, or None if unknown: category ids are then class indices plus 1.
        datasets: Names of registered datasets. If images of two datasets have the same id, the first dataset wins.
        files: The images to predict. Only datasets that can contain one of them are loaded.
    """

    def __init__(self, classes: ClassList | None, datasets: Sequence[str], files: Iterable[Path]) -> None:
        self._default = {} if classes is None else dict(enumerate(classes.ids))
        self._known: dict[Path, tuple[Any, dict[int, Any]]] = {}
        self._used: set[Any] = set()
        wanted = {file.resolve() for file in files}
        for name in dict.fromkeys(datasets):
            root = MetadataCatalog.get(name).get("image_root")
            if classes is None or root is None or name not in DatasetCatalog:
                continue
            if any(path.is_relative_to(Path(root).resolve()) for path in wanted):
                self._add(name, classes, wanted)
        self._next = max((i for i in self._used if isinstance(i, int)), default=0) + 1

    def _add(self, name: str, classes: ClassList, wanted: set[Path]) -> None:
        try:
            align_classes(classes.names, [name])
            records = DatasetCatalog.get(name)
        except (OSError, ValueError):
            return  # results do not depend on readable annotations
        contiguous = MetadataCatalog.get(name).get("thing_dataset_id_to_contiguous_id") or {}
        categories = {index: category for category, index in contiguous.items()}
        claimed = {image_id for image_id, _ in self._known.values()}
        for record in records:
            path, image_id = Path(record["file_name"]).resolve(), record["image_id"]
            if path in wanted and path not in self._known and image_id not in claimed:
                self._known[path] = image_id, categories
            self._used.add(image_id)

    def of_image(self, file: Path | None) -> tuple[Any, dict[int, Any]]:
        """Return the image id, and the category id of each class index.

        Args:
            file: The image file, or None for a frame of a video.
        """
        known = None if file is None else self._known.get(file.resolve())
        if known is None:
            self._next += 1
            return self._next - 1, self._default
        image_id, categories = known
        taken = set(categories.values())
        missing = {i: c for i, c in self._default.items() if i not in categories and c not in taken}
        return image_id, {**missing, **categories}
