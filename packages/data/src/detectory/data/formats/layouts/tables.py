"""Detection of CSV tables and of folders with instance masks."""

from pathlib import Path

from detectory.data.formats.csv_table.columns import find_columns
from detectory.data.formats.mask_folder.pairs import find_mask_folders

from .source import Source, is_split_name, split_name, split_of


def csv_sources(folder: Path) -> list[Source]:
    """Return the CSV files with boxes in a folder, or in its folders that are named like splits."""
    files = [file for file in sorted(folder.glob("*.csv")) if find_columns(file) is not None]
    if not files:
        parts = [part for part in sorted(folder.iterdir()) if part.is_dir() and is_split_name(part.name)]
        files = [file for part in parts for file in sorted(part.glob("*.csv")) if find_columns(file) is not None]
    return [Source("csv", file, split=split_of(file)) for file in files]


def mask_sources(folder: Path) -> list[Source]:
    """Return the folders of instance masks in a folder, or in its folders that are named like splits."""
    found = find_mask_folders(folder)
    if found is not None:
        return [Source("masks", found.masks, found.images)]
    parts = [part for part in sorted(folder.iterdir()) if part.is_dir() and is_split_name(part.name)]
    pairs = [(part, find_mask_folders(part)) for part in parts]
    return [Source("masks", pair.masks, pair.images, split_name(part.name)) for part, pair in pairs if pair is not None]
