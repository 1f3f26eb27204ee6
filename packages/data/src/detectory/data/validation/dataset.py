"""Validation of a whole dataset."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from detectory.data.classes import listed
from detectory.data.formats.json_file import read_json
from detectory.data.formats.layouts import Source
from detectory.data.problems import DatasetError, Problem
from detectory.data.sources import find_sources

from .coco import coco_problems
from .labelme import labelme_problems
from .panoptic import panoptic_file_problems
from .records import record_problems
from .voc import voc_problems
from .yolo import yolo_problems

Progress = Callable[[int, int], None]

_JSON_CHECKS = {"coco": coco_problems, "lvis": coco_problems, "panoptic": panoptic_file_problems}
_OTHER_CHECKS = {
    "voc": voc_problems,
    "yolo": yolo_problems,
    "labelme": labelme_problems,
}


def check_dataset(
    path: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
    *,
    decode: bool = False,
    progress: Progress | None = None,
) -> list[Problem]:
    """Check annotations and images.

    Supported formats: COCO (instances, keypoints), LVIS, COCO panoptic, Pascal VOC, YOLO, LabelMe, and the records of
    registered datasets; see `detectory.data.sources.find_sources`.

    Args:
        path: An annotation file, a folder, or the name of a registered dataset.
        image_root: The image folder; by default it is guessed from the path of the annotation file.
        decode: Whether to decode all images, and to compare the pixels of panoptic PNG files with their segments.
            Otherwise only the headers of images and the ends of JPEG files are read.
        progress: A function that is called with the number of checked records and the total number.

    Returns:
        All problems, errors and warnings, in the order of the files; empty for a valid dataset. `RULES` has the
        severity of each `Problem.rule`.

    Raises:
        FileNotFoundError: If the path does not exist, or contains no dataset in a supported format.
    """
    sources = find_sources(path, image_root)
    problems: list[Problem] = []
    class_names: dict[str, list[str]] = {}
    for index, source in enumerate(sources):

        def advance(done: int, total: int, index: int = index) -> None:
            if progress is not None:
                progress(index * total + done, len(sources) * total)

        problems.extend(_source_problems(source, decode, advance, class_names))
    return [*problems, *_split_problems(class_names)]


def _split_problems(class_names: dict[str, list[str]]) -> Iterator[Problem]:
    """Yield the COCO files with other class names than the first file of the same task.

    The order and the ids do not matter. The task is the file name without the split, such as `person_keypoints`.
    """
    first_of_task: dict[str, str] = {}
    for file, names in class_names.items():
        first = first_of_task.setdefault(Path(file).stem.rpartition("_")[0], file)
        if set(names) != set(class_names[first]):
            message = f"classes {listed(names)}, but {first} has {listed(class_names[first])}"
            yield Problem(file, "", "categories", message, "split-classes")


def _source_problems(
    source: Source, decode: bool, advance: Progress, class_names: dict[str, list[str]]
) -> Iterator[Problem]:
    file = str(source.path)
    try:
        if source.format in _JSON_CHECKS:
            content = read_json(source.path)
            yield from _JSON_CHECKS[source.format](source, content, decode, advance)
            categories = content.get("categories") if isinstance(content, dict) else None
            if source.format == "coco" and isinstance(categories, list):
                class_names[file] = [str(item.get("name")) for item in categories if isinstance(item, dict)]
        else:
            yield from _OTHER_CHECKS.get(source.format, record_problems)(source, decode, advance)
    except DatasetError as error:
        problem = error.problem if isinstance(error.problem, Problem) else Problem(file, "", "", str(error))
        # The reader could not continue after the problem, so that nothing else in the file was checked.
        yield problem if problem.id or problem.field else dataclasses.replace(problem, rule="invalid-file")
    except FileNotFoundError as error:
        yield Problem(file, "", "", str(error).removeprefix(f"{file}: "), "invalid-file")
