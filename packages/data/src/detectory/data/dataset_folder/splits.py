"""Selection of the annotations for training and validation among the sources of a folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectory.data.formats.layouts import Source


@dataclass(frozen=True)
class ChosenSplits:
    """The sources of the training split and of the validation split.

    Attributes:
        train: The sources for training.
        val: The sources for validation.
        is_held_out: Whether the layout has no validation split, so that a part of the training images is held out.
            `train` and `val` are then equal.
        message: What was chosen in place of a missing split, for the user; empty if both splits exist.
    """

    train: tuple[Source, ...]
    val: tuple[Source, ...]
    is_held_out: bool = False
    message: str = ""


def choose_splits(
    path: Path,
    sources: Sequence[Source],
    val: str = "val",
    needs_train: bool = True,
    *,
    keypoints: bool = False,
) -> ChosenSplits:
    """Choose the sources for training and validation.

    Without a split "val", the split "test" is used for validation, otherwise a part of the training images.

    Args:
        path: The dataset, for messages.
        sources: All sources of the dataset.
        val: The split to evaluate on.
        needs_train: Whether a training split is required. Otherwise a dataset without splits is evaluated as a whole.
        keypoints: Whether to prefer COCO's files of keypoints to those of instances.

    Raises:
        FileNotFoundError: If a split does not exist, or the dataset has no object annotations.
    """
    objects = [source for source in sources if source.format != "panoptic"]
    if keypoints:
        objects = _only_keypoints(objects)
    if not objects:
        found = ", ".join(map(str, sources))
        raise FileNotFoundError(
            f"{path}: training and evaluation need object annotations, found only {found}. "
            "Add COCO files of the objects, such as annotations/instances_train.json"
        )
    if not any(_named(objects, name) for name in ("train", "val", "test", val)):
        everything = _of_first_format(objects)
        if val != "val":
            raise _missing(path, val, objects)
        return ChosenSplits(everything, everything, is_held_out=needs_train)
    train, chosen = _named(objects, "train"), _named(objects, val)
    if needs_train and not train:
        raise _missing(path, "train", objects)
    message = ""
    if not chosen and val == "val":
        chosen = _named(objects, "test")
        message = f"{path}: the split 'val' does not exist, the split 'test' is used for validation" if chosen else ""
    if not chosen and (val != "val" or not train):
        raise _missing(path, val, objects)
    return ChosenSplits(train or chosen, chosen or train, is_held_out=not chosen, message=message)


def _only_keypoints(sources: list[Source]) -> list[Source]:
    """Return the sources without COCO's files of instances for which there is a file of keypoints."""
    named = {source.split for source in sources if source.path.name.startswith("person_keypoints_")}
    return [s for s in sources if not (s.split in named and s.path.name.startswith("instances_"))]


def _named(sources: Sequence[Source], name: str) -> tuple[Source, ...]:
    """Return the sources of a split: `train`, or else `train2017`, or else `my_train` or `minitrain`.

    COCO stores keypoints, captions and stuff next to the instances of a split, so one COCO file is chosen. A YOLO split
    may have several image folders.
    """
    word = re.compile(rf"(^|[^a-z])(mini)?{re.escape(name.lower())}")
    listed = [source for source in sources if not source.path.stem.startswith("image_info")]
    matches = [source for source in listed if source.split.startswith(name)]
    matches = matches or [source for source in listed if word.search(source.split.lower())]
    if not matches:
        return ()
    first = min(matches, key=lambda source: (source.split != name, not source.path.name.startswith("instances_")))
    if first.format in ("coco", "lvis"):
        return (first,)
    return tuple(source for source in matches if (source.format, source.split) == (first.format, first.split))


def _of_first_format(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources with the format of the first one; `instances_*.json` before other COCO files."""
    instances = [source for source in sources if source.path.name.startswith("instances_")]
    chosen = instances or sources
    return tuple(source for source in chosen if source.format == chosen[0].format)


def _missing(path: Path, name: str, sources: Sequence[Source]) -> FileNotFoundError:
    return FileNotFoundError(
        f"{path}: no annotations for the split {name!r}, found only {', '.join(map(str, sources))}"
    )
