"""Find all faults of a dataset in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from detectory.data.formats.json_file import read_json
from detectory.data.formats.sources import Source, find_sources
from detectory.data.problems import DatasetError, Fault

from .coco import coco_faults
from .folders import labelme_faults, voc_faults, yolo_faults
from .panoptic import panoptic_file_faults
from .records import record_faults

Progress = Callable[[int, int], None]


def check_dataset(
    path: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
    *,
    decode: bool = False,
    progress: Progress | None = None,
) -> list[Fault]:
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
        All faults, in the order of the files; empty for a good dataset.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no dataset that is known.
    """
    sources = find_sources(path, image_root)
    faults: list[Fault] = []
    for number, source in enumerate(sources):

        def advance(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(sources) * total)

        faults.extend(_source_faults(source, decode, advance))
    return faults


def _source_faults(source: Source, decode: bool, advance: Progress) -> Iterator[Fault]:
    try:
        if source.kind in ("coco", "lvis", "panoptic"):
            check = panoptic_file_faults if source.kind == "panoptic" else coco_faults
            yield from check(source, read_json(source.path), decode, advance)
        else:
            check_folder = {"voc": voc_faults, "yolo": yolo_faults, "labelme": labelme_faults}
            yield from check_folder.get(source.kind, record_faults)(source, decode, advance)
    except DatasetError as error:
        yield error.fault if isinstance(error.fault, Fault) else Fault(str(source.path), "", "", str(error.fault))
    except FileNotFoundError as error:
        yield Fault(str(source.path), "", "", str(error).removeprefix(f"{source.path}: "))
