"""COCO files in the cache for datasets in other formats; the dataset itself is not changed.

Image names are relative to the common folder of the images, which are not copied. Category ids and image ids are those
of the dataset, if its format has ids.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write, cache_dir, read_json
from detectory.data.combination import union_of_classes, union_of_ids, with_classes, with_new_ids
from detectory.data.formats.coco.categories import KEYPOINT_KEYS
from detectory.data.formats.coco.writer import write_coco
from detectory.data.formats.layouts import Source
from detectory.data.formats.report import ConversionReport
from detectory.data.images import image_size_of_file
from detectory.data.problems import DatasetError
from detectory.data.sources import load_source
from detectory.data.splitting import split_records

# Change the version when readers or the writer change: datasets are then converted again.
_VERSION = 3
_SUMMARY = "conversion.json"
_HELD_OUT = 0.2
_MAX_CACHED = 4


@dataclass(frozen=True)
class ConvertedSplits:
    """COCO files of the splits of a dataset.

    Attributes:
        files: The annotation file and the image folder per split.
        messages: What the user should know: skipped objects, and how images were held out.
    """

    files: dict[str, tuple[Path, Path]]
    messages: list[str]


def converted_splits(path: Path, splits: Mapping[str, Sequence[Source]], held_out: str = "") -> ConvertedSplits:
    """Return COCO files of splits, converted when the dataset was added or changed, otherwise from the cache.

    Args:
        path: The dataset.
        splits: The sources per split. The classes of all splits are joined by name.
        held_out: The name of a further split, for which a fifth of the images of the only split is held out. Images
            are chosen at random with the fractions of the classes, always the same for the same dataset.

    Raises:
        DatasetError: If annotations are invalid, or a split has no images.
    """
    parent = cache_dir() / "datasets" / f"{path.resolve().name}-{_digest(str(path.resolve()))}"
    folder = parent / _digest(json.dumps([_VERSION, held_out, *_state(path, splits)]))
    if not (folder / _SUMMARY).is_file():
        _convert(path, splits, held_out, folder)
        _remove_old(parent, folder)
    summary = read_json(folder / _SUMMARY)
    files = {split: (folder / f"instances_{split}.json", Path(root)) for split, root in summary["images"].items()}
    return ConvertedSplits(files, summary["messages"])


def _convert(path: Path, splits: Mapping[str, Sequence[Source]], held_out: str, folder: Path) -> None:
    messages: list[str] = []
    loaded = {split: [_load(source, messages) for source in sources] for split, sources in splits.items()}
    parts = [part for group in loaded.values() for part in group]
    names = union_of_classes([part.class_names for part in parts])
    ids = union_of_ids(names, [part.category_ids for part in parts])
    keypoints = next((part.keypoints for part in parts if part.keypoints), {})
    records = {split: _joined(group, names) for split, group in loaded.items()}
    if held_out:
        ((split, everything),) = records.items()
        records = _hold_out(everything, split, held_out)
        messages.append(_held_out_message(path, len(records[held_out]), len(everything)))
    images = {}
    for split, group in records.items():
        if not group:
            raise DatasetError(f"{path}: the split {split!r} has no images")
        images[split] = os.path.commonpath([os.path.dirname(os.path.abspath(record["file_name"])) for record in group])
        file = folder / f"instances_{split}.json"
        write_coco(group, names, file, images[split], category_ids=ids, keypoints=keypoints)
    with atomic_write(folder / _SUMMARY, "w") as summary:
        json.dump({"dataset": str(path.resolve()), "images": images, "messages": messages}, summary)


@dataclass(frozen=True)
class _Part:
    records: list[dict[str, Any]]
    class_names: list[str]
    category_ids: dict[str, int | str]
    keypoints: dict[str, Any]


def _load(source: Source, messages: list[str]) -> _Part:
    report = ConversionReport()
    loaded, metadata = load_source(source, report)
    if report.skipped or report.changed:
        messages.append(f"{source}: {'; '.join(report.lines())}")
    records = [dict(record) for record in loaded]
    for record in records:
        if "annotations" not in record:
            raise DatasetError(f"{source}: training and evaluation need object annotations, got segments only")
        if "height" not in record or "width" not in record:
            record["height"], record["width"] = image_size_of_file(record["file_name"])
    names = list(metadata.get("thing_classes") or ())
    indices = metadata.get("thing_dataset_id_to_contiguous_id") or {}
    keypoints = {key: metadata.get(key) for key in KEYPOINT_KEYS if metadata.get(key)}
    return _Part(records, names, {names[index]: category for category, index in indices.items()}, keypoints)


def _joined(parts: Sequence[_Part], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the records of a split; image ids are only changed if they are missing or not unique."""
    records = [record for part in parts for record in with_classes(part.records, part.class_names, names)]
    ids = {record.get("image_id") for record in records}
    return records if len(ids) == len(records) and None not in ids else with_new_ids(records)


def _hold_out(records: list[dict[str, Any]], split: str, held_out: str) -> dict[str, list[dict[str, Any]]]:
    if len(records) < 2:
        return {split: records, held_out: records}
    fraction = max(_HELD_OUT, 1 / len(records))
    return split_records(records, {split: 1 - fraction, held_out: fraction}, method="class")


def _held_out_message(path: Path, count: int, total: int) -> str:
    return (
        f"{path} has no validation split. Validation uses {count} of {total} images, chosen at random by class. "
        f"'detectory data split {path} OUTPUT train=0.8 val=0.2' writes fixed splits"
    )


def _state(path: Path, splits: Mapping[str, Sequence[Source]]) -> Iterator[Any]:
    """Yield what the conversion depends on: the sources, and names, sizes and times of the files of the dataset."""
    sources = {split: [repr(source) for source in group] for split, group in splits.items()}
    yield sources
    roots = {path.resolve()}
    for source in (source for group in splits.values() for source in group):
        roots |= {part.resolve() for part in (source.path, source.images, source.list_file) if part is not None}
    outer = [root for root in roots if not any(parent in roots for parent in root.parents)]
    yield from sorted(_file_states(outer))


def _file_states(roots: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and modification time of all files, also those in linked folders."""
    visited = set()
    for root in roots:
        if root.is_file():
            yield _file_state(root)
        for folder, subfolders, files in os.walk(root, followlinks=True):
            real = os.path.realpath(folder)
            if real in visited:
                subfolders.clear()
                continue
            visited.add(real)
            for name in files:
                if os.path.exists(os.path.join(folder, name)):
                    yield _file_state(Path(folder, name))


def _file_state(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _remove_old(parent: Path, current: Path) -> None:
    """Keep the newest conversions of a dataset: other processes may use them."""
    folders = sorted(parent.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in folders[_MAX_CACHED:]:
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)
