"""Sources of a file or a folder: all formats in the order in which they are tried."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from detectory.data.formats.labelme.reader import LABEL_FOLDERS
from detectory.data.images.folders import files_in

from .json_formats import json_format
from .source import Source, split_name, split_of
from .tables import csv_sources, dota_sources, mask_sources
from .voc import cvat_sources, voc_mask_sources, voc_sources, xml_format
from .yolo import yolo_sources

#: What `sources_of_folder` looks for, for messages.
EXPECTED_LAYOUTS = (
    "annotations/*.json, *.json or <split>/*.json (COCO, LVIS, panoptic, Datumaro, VIA, LabelMe)",
    "Annotations/*.xml or *.xml (Pascal VOC, CVAT)",
    "data.yaml, obj.data, or labels/*.txt and images/ (YOLO)",
    "*.csv with columns for file name, box and class",
    "masks/*.png and images/",
    "labelTxt/*.txt and images/ (DOTA)",
    "SegmentationObject/*.png and SegmentationClass/*.png (masks of Pascal VOC and CVAT)",
)
_MAX_FOLDERS_IN_REPORT = 6


def sources_of_file(file: Path, image_root: Path | None) -> list[Source]:
    """Return the source of an annotation file: JSON in any known format, XML, CSV or a YOLO configuration."""
    suffix = file.suffix.lower()
    if suffix == ".xml":
        return [Source("cvat", file, image_root) if xml_format(file) == "cvat" else Source("voc", file.parent)]
    if suffix == ".csv":
        return [Source("csv", file, image_root, split_of(file))]
    if suffix in (".yaml", ".yml", ".data"):
        return yolo_sources(file.parent)
    file_format = json_format(file)
    if file_format == "labelme":
        return [Source("labelme", file.parent)]
    if file_format == "other":
        file_format = "records" if file.read_bytes()[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") else "coco"
    return [Source(file_format, file, image_root, split_of(file))]


def sources_of_folder(folder: Path, image_root: Path | None) -> list[Source]:
    """Return the sources in a folder, one per annotation file or split; empty if no format is recognized.

    Archives often contain a single folder with the dataset, which is searched too.
    """
    sources = (
        voc_sources(folder)
        or cvat_sources(folder)
        or yolo_sources(folder)
        or _json_sources(folder)
        or csv_sources(folder)
        or dota_sources(folder)
        or voc_mask_sources(folder)
        or mask_sources(folder)
    )
    if not sources:
        parts = [part for part in files_in(folder, "*") if part.is_dir() and part.name != "__MACOSX"]
        return sources_of_folder(parts[0], image_root) if len(parts) == 1 else []
    per_image = ("voc", "yolo", "labelme", "masks", "dota", "voc-masks")
    if image_root is None:
        return sources
    return [source if source.format in per_image else replace(source, images=image_root) for source in sources]


def _json_sources(folder: Path) -> list[Source]:
    """Return the JSON files of `annotations` or of the folder itself, otherwise those of its subfolders."""
    for part in (folder / "annotations", folder):
        sources = _json_files(part, "")
        if sources:
            return sources
    parts = sorted(part for part in folder.iterdir() if part.is_dir())
    sources = []
    for part in parts:
        split = "" if part.name.lower() in LABEL_FOLDERS else split_name(part.name)
        sources += _json_files(part, split) or _json_files(part / "annotations", split)
    return sources


def _json_files(folder: Path, split: str) -> list[Source]:
    formats = {file: json_format(file) for file in files_in(folder, "*.json")}
    known = {file: file_format for file, file_format in formats.items() if file_format != "other"}
    sources = [Source(form, file, None, split_of(file)) for file, form in known.items() if form != "labelme"]
    if known and not sources:
        return [Source("labelme", folder, split=split)]
    return sources


def describe_folder(folder: Path) -> str:
    """Return the numbers of files per folder and suffix, for the message about a folder that no format matches."""
    counts: dict[Path, Counter[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            counts.setdefault(path.parent.relative_to(folder), Counter())[path.suffix.lower() or path.name] += 1
    if not counts:
        return "The folder is empty"
    described = [
        f"{'.' if part == Path() else part.as_posix()}/: {', '.join(f'{n} {s}' for s, n in suffixes.most_common(4))}"
        for part, suffixes in list(counts.items())[:_MAX_FOLDERS_IN_REPORT]
    ]
    more = len(counts) - len(described)
    return "Found " + "; ".join(described) + (f"; and {more} more folders" if more > 0 else "")
