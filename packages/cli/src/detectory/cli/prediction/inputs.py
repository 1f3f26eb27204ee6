"""Inputs of `detectory predict`, and the names of the annotated files."""

import glob
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from detectory.data.images import IMAGE_SUFFIXES
from detectory.engine.inference.video import VIDEO_SUFFIXES

#: A video file, or the index of a camera.
Video = Path | int


def find_inputs(
    inputs: Iterable[str], is_output: Callable[[Path], bool] | None = None
) -> tuple[list[Path], list[Video]]:
    """Expand files, folders, patterns and cameras to images and videos, without duplicates and in input order.

    Args:
        inputs: The inputs from the command line.
        is_output: Whether a file in a folder or of a pattern is an output of an earlier prediction, which is skipped.

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
        files = [file for file in _matching_files(item) if file == Path(item) or not (is_output and is_output(file))]
        if not files:
            raise FileNotFoundError(f"{item}: no such image or video, and no folder or pattern that contains one")
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                videos[file] = None
            else:
                images[file] = None
    return list(images), list(videos)


def output_names(inputs: Iterable[str], images: Sequence[Path], videos: Sequence[Video]) -> dict[Video, str]:
    """Map images and videos to unique names for their annotated versions, relative to the output folder.

    A name is the path relative to the folder or the pattern of the input, with the suffix `.jpg` or `.mp4`. If names
    collide, the name of the input folder, the original suffix and finally a number are added.
    """
    roots = [_root(item) for item in inputs]
    files: list[tuple[Video, Path, str]] = [(file, file, ".jpg") for file in images]
    files += [(video, Path(f"webcam{video}") if isinstance(video, int) else video, ".mp4") for video in videos]
    choices = {key: _names(path, roots, suffix) for key, path, suffix in files}
    names = {key: options[0] for key, options in choices.items()}
    for level in (1, 2):
        counts = Counter(names.values())
        names = {key: choices[key][level] if counts[name] > 1 else name for key, name in names.items()}
    taken: Counter[str] = Counter()
    for key, name in names.items():
        taken[name] += 1
        if taken[name] > 1:
            names[key] = f"{taken[name]}/{name}"
    return names


def _root(item: str) -> Path:
    """Return the folder that output names are relative to."""
    path = Path(item)
    if path.is_dir():
        return path
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
    return path.parent if path.is_file() else Path(*parts)


def _names(path: Path, roots: Sequence[Path], suffix: str) -> tuple[str, str, str]:
    """Return the names to try in this order; the last one contains the folder and the original suffix."""
    root = next((root for root in roots if path.is_relative_to(root)), path.parent)
    relative = path.relative_to(root)
    with_suffix = relative.with_name(f"{relative.stem}_{path.suffix[1:]}{suffix}")
    folder = Path(root.resolve().name)
    short = relative.with_name(f"{relative.stem}{suffix}")
    return short.as_posix(), (folder / short).as_posix(), (folder / with_suffix).as_posix()


def _matching_files(item: str) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        suffixes = {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES}
        return sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes)
    if path.is_file():
        return [path]
    return [Path(match) for match in sorted(glob.glob(item, recursive=True)) if Path(match).is_file()]
