"""Classes of datasets, matched by name: `ClassList`, and the alignment of registered datasets."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .catalog import DatasetCatalog, Metadata, MetadataCatalog

_logger = logging.getLogger(__name__)
_MAX_LISTED = 20


@dataclass(frozen=True)
class ClassList:
    """Class names in the order of the model's class indices, and their category ids in the annotation file.

    Runs, checkpoints and exported files store a `ClassList`, so that predictions can be named and numbered as in the
    training data.

    Args:
        names: The class names.
        ids: The category ids of the annotation file, one per name.
        keypoints: The names of the keypoints, empty if the dataset has none.

    Example:
        >>> trained = ClassList(("mug", "pen"), (7, 9))
        >>> trained.difference(["pen", "cup"])
        'kept: pen; new: cup; dropped: mug'
    """

    names: tuple[str, ...]
    ids: tuple[int | str, ...]
    keypoints: tuple[str, ...] = ()

    @classmethod
    def from_metadata(cls, metadata: Metadata) -> "ClassList | None":
        """Return the thing classes of a dataset, or None if its metadata have no class names.

        Classes without an id in the dataset's file get ids that no other class has.
        """
        names = metadata.get("thing_classes")
        if not names:
            return None
        by_index = {index: category for category, index in _file_ids(metadata).items()}
        used = set(by_index.values())
        fresh = (number for number in range(1, len(used) + len(names) + 1) if number not in used)
        ids = [by_index[index] if index in by_index else next(fresh) for index in range(len(names))]
        return cls(tuple(names), tuple(ids), tuple(metadata.get("keypoint_names") or ()))

    @classmethod
    def from_state(cls, state: Any) -> "ClassList | None":
        """Return the classes stored by `state_dict`, or None for other values."""
        if not isinstance(state, Mapping) or not isinstance(state.get("names"), Sequence) or not state["names"]:
            return None
        names = tuple(str(name) for name in state["names"])
        ids = state.get("ids")
        if not isinstance(ids, Sequence) or len(ids) != len(names):
            ids = range(1, len(names) + 1)
        return cls(names, tuple(ids), tuple(state.get("keypoints") or ()))

    def state_dict(self) -> dict[str, list[Any]]:
        """Return the classes as a dict of lists, which JSON files and checkpoints can contain."""
        return {"names": list(self.names), "ids": list(self.ids), "keypoints": list(self.keypoints)}

    def load_state_dict(self, state: Any) -> None:
        """Log a warning with both lists if a checkpoint was trained on other classes; this object does not change.

        Args:
            state: The result of `state_dict` in the checkpoint, or None if the checkpoint does not contain classes.
        """
        other = ClassList.from_state(state)
        if other is not None and other.names != self.names:
            _logger.warning(
                "the checkpoint was trained on other classes than the dataset has. "
                "Checkpoint: %s. Dataset: %s. By name: %s. The weights of the classes are kept by position",
                *(listed(other.names), listed(self.names), other.difference(self.names)),
            )

    def difference(self, names: Sequence[str]) -> str:
        """Describe in one line which classes are kept, new and dropped if `names` replace these classes."""
        parts = {
            "kept": [name for name in names if name in self.names],
            "new": [name for name in names if name not in self.names],
            "dropped": [name for name in self.names if name not in names],
        }
        if set(names) == set(self.names):
            return "the same names in a different order"
        return "; ".join(f"{key}: {listed(group)}" for key, group in parts.items())


def listed(names: Sequence[str]) -> str:
    """Return names separated by commas, at most 20 of them, or "none"."""
    rest = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(map(str, names[:_MAX_LISTED])) + rest if names else "none"


def match_by_name(file_names: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Return for each class of a file its index in `names`, or None if `names` does not contain it.

    Lists of equal length without a common name are matched by position: `names` then renames the classes of the file.
    """
    if list(file_names) == list(names):
        return list(range(len(names)))
    if len(file_names) == len(names) and not set(file_names) & set(names):
        return list(range(len(names)))
    index = {name: number for number, name in reversed(list(enumerate(names)))}
    return [index.get(name) for name in file_names]


def align_classes(names: Sequence[str], datasets: Sequence[str]) -> None:
    """Assign the class indices of `names` to registered datasets.

    A dataset that is loaded from an annotation file is matched by name from then on. A dataset with another loader
    keeps its indices, and different names are logged as a warning.

    Args:
        names: The class names of the model.
        datasets: Names of registered datasets.

    Raises:
        ValueError: If a dataset has annotations of a class that is not in `names`, or no class in common with `names`.
    """
    for dataset in dict.fromkeys(datasets):
        metadata = MetadataCatalog.get(dataset)
        loader = DatasetCatalog.data.get(dataset)
        if metadata.get("thing_classes") is None and loader is not None:
            DatasetCatalog.get(dataset)
        own = metadata.get("thing_classes")
        if own is None or list(own) == list(names):
            continue
        both = f"classes of {dataset}: {listed(own)}; classes of the model: {listed(names)}"
        if not getattr(loader, "matches_by_name", False):
            _logger.warning("the classes of dataset %s differ from the classes of the model. %s", dataset, both)
            continue
        if not set(own) & set(names):
            raise ValueError(f"dataset {dataset} has no class in common with the model. {both}")
        metadata.reset("thing_classes", "thing_dataset_id_to_contiguous_id")
        metadata.thing_classes = list(names)
        DatasetCatalog.get(dataset)  # raises an error for annotations of unknown classes
        _logger.info("the classes of dataset %s are matched by name. %s", dataset, both)


def _file_ids(metadata: Metadata) -> Mapping[Any, int]:
    return metadata.get("thing_dataset_id_to_contiguous_id") or {}
