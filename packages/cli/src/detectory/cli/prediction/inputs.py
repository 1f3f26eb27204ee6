"""Inputs of `detectory predict`, and the names of the annotated images."""

import glob
from collections.abc import Iterable
from pathlib import Path

from detectory.data.images import IMAGE_SUFFIXES
from detectory.engine.inference.video import VIDEO_SUFFIXES

#: A video file, or the index of a camera.
Video = Path | int


def find_inputs(inputs: Iterable[str]) -> tuple[list[Path], list[Video]]:
    """Expand files, folders, patterns and cameras to images and videos, without duplicates and in input order.

    Raises:
        FileNotFoundError: If an input does not match any file.
    """
    images: dict[Path, None] = {}
    videos: dict[Video, None] = {}
    for item in inputs:
        camera, _, index = item.partition(":")
        if camera == "webcam" and (index.isdecimal() or not index) and not Path(item).exists():
            videos[int(index or 0)] = None
            continue
        files = _matching_files(item)
        if not files:
            raise FileNotFoundError(f"{item}: no such image or video, and no folder or pattern that contains one")
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                videos[file] = None
            else:
                images[file] = None
    return list(images), list(videos)


def output_names(files: list[Path]) -> dict[Path, str]:
    """Map image files to unique names for their annotated images: the stem, with the folder if stems collide."""
    stems = [file.stem for file in files]
    names: dict[Path, str] = {}
    for file in files:
        name = file.stem if stems.count(file.stem) == 1 else "_".join([*file.parts[-3:-1], file.stem, file.suffix[1:]])
        is_taken = f"{name}.jpg" in names.values()
        names[file] = f"{name}_{len(names)}.jpg" if is_taken else f"{name}.jpg"
    return names


def _matching_files(item: str) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        suffixes = {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES}
        return sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes)
    if path.is_file():
        return [path]
    return [Path(match) for match in sorted(glob.glob(item, recursive=True)) if Path(match).is_file()]
