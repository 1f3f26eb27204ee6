"""Detection of CSV tables, of folders with instance masks, and of DOTA folders."""

from pathlib import Path

from detectory.data.formats.csv_table.columns import find_columns
from detectory.data.formats.dota.reader import LABEL_FOLDERS as DOTA_FOLDERS
from detectory.data.formats.mask_folder.pairs import find_mask_folders
from detectory.data.images.folders import files_in

from .source import Source, is_split_name, split_name, split_of


def csv_sources(folder: Path) -> list[Source]:
    """Return the CSV files with boxes in a folder, or in its folders that are named like splits."""
    files = [file for file in files_in(folder, "*.csv") if find_columns(file) is not None]
    if not files:
        parts = [part for part in sorted(folder.iterdir()) if part.is_dir() and is_split_name(part.name)]
        files = [file for part in parts for file in files_in(part, "*.csv") if find_columns(file) is not None]
    return [Source("csv", file, split=split_of(file)) for file in files]


def mask_sources(folder: Path) -> list[Source]:
    """Return the folders of instance masks in a folder, or in its folders that are named like splits."""
    found = find_mask_folders(folder)
    if found is not None:
        return [Source("masks", found.masks, found.images)]
    parts = [part for part in sorted(folder.iterdir()) if part.is_dir() and is_split_name(part.name)]
    pairs = [(part, find_mask_folders(part)) for part in parts]
    return [Source("masks", pair.masks, pair.images, split_name(part.name)) for part, pair in pairs if pair is not None]


def dota_sources(folder: Path) -> list[Source]:
    """Return the folders of DOTA label files in a folder, or in its folders that are named like splits."""
    parts = [folder, *(part for part in sorted(folder.iterdir()) if part.is_dir() and is_split_name(part.name))]
    sources = []
    for part in parts:
        labels = next((part / name for name in DOTA_FOLDERS if (part / name).is_dir()), None)
        if labels is not None and (part / "images").is_dir():
            split = split_name(part.name) if part != folder else ""
            sources.append(Source("dota", labels, part / "images", split))
    return sources
