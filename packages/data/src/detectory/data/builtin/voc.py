"""Pascal VOC 2007 and 2012."""

from detectory.data.formats.voc.reader import load_voc_instances
from detectory.data.metadata.voc import VOC_CLASSES, voc_metadata

from .dataset import BuiltinDataset
from .root import in_root

_SPLITS = {2007: ("trainval", "train", "val", "test"), 2012: ("trainval", "train", "val")}


def pascal_voc() -> dict[str, BuiltinDataset]:
    """Return the Pascal VOC datasets by name."""
    return {f"voc_{year}_{split}": _dataset(year, split) for year, splits in _SPLITS.items() for split in splits}


def _dataset(year: int, split: str) -> BuiltinDataset:
    folder = f"VOC{year}"
    return BuiltinDataset(
        lambda: load_voc_instances(in_root(folder), split, VOC_CLASSES),
        lambda: voc_metadata(in_root(folder), split, year, VOC_CLASSES),
    )
