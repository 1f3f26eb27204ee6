"""Find all problems of a dataset in one run."""

import os
from collections.abc import Callable, Iterator

from detectory.data.formats.json_file import read_json
from detectory.data.formats.sources import Source, find_sources
from detectory.data.problems import DatasetError, Problem

from .coco import coco_problems
from .folders import labelme_problems, voc_problems, yolo_problems
from .panoptic import panoptic_file_problems
from .records import record_problems

Progress = Callable[[int, int], None]


def check_dataset(
    path: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
    *,
    decode: bool = False,
    progress: Progress | None = None,
) -> list[Problem]:
    """Check annotations and the images that they name.

    COCO's format (instances, keypoints), LVIS's, COCO's panoptic one, Pascal VOC's, YOLO's and LabelMe's are known, and
    the records of registered datasets; see `detectory.data.formats.sources.find_sources`.

    Args:
        path: An annotation file, a folder, or the name of a registered dataset.
        image_root: The folder of the images; by default it is looked for beside the annotation file, by its name.
        decode: Whether every image is decoded, and the pixels of panoptic PNG files are compared with their segments.
            Otherwise headers are read, and of JPEG files their ends.
        progress: Called with how many records are done and how many there are.

    Returns:
        All problems, in the order of the files; empty for a good dataset.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no dataset that is known.
    """
    sources = find_sources(path, image_root)
    problems: list[Problem] = []
    for number, source in enumerate(sources):

        def advance(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(sources) * total)

        problems.extend(_source_problems(source, decode, advance))
    return problems


def _source_problems(source: Source, decode: bool, advance: Progress) -> Iterator[Problem]:
    try:
        if source.format in ("coco", "lvis", "panoptic"):
            check = panoptic_file_problems if source.format == "panoptic" else coco_problems
            yield from check(source, read_json(source.path), decode, advance)
        else:
            check_folder = {"voc": voc_problems, "yolo": yolo_problems, "labelme": labelme_problems}
            yield from check_folder.get(source.format, record_problems)(source, decode, advance)
    except DatasetError as error:
        yield (
            error.problem
            if isinstance(error.problem, Problem)
            else Problem(str(source.path), "", "", str(error.problem))
        )
    except FileNotFoundError as error:
        yield Problem(str(source.path), "", "", str(error).removeprefix(f"{source.path}: "))
