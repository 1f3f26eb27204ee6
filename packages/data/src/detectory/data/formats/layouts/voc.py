"""Detection of folders with XML files: Pascal VOC and CVAT."""

from pathlib import Path

from detectory.data.formats.voc.reader import XML_FOLDERS
from detectory.data.images.folders import files_in

from .source import Source, is_split_name, split_name

_SPLITS = ("trainval", "train", "val", "test")


def voc_sources(folder: Path) -> list[Source]:
    """Return the sources of a Pascal VOC folder, of a folder of XML files and images, or of a folder per split.

    The layouts of VOC, CVAT, Label Studio (`Annotations` and `images`) and Roboflow (`train/*.xml` and `train/*.jpg`).
    """
    lists = files_in(folder / "ImageSets" / "Main", "*.txt")
    if lists and (folder / "Annotations").is_dir():
        # The folder also contains lists per class, such as aeroplane_train.txt.
        splits = [name for name in _SPLITS if folder / "ImageSets" / "Main" / f"{name}.txt" in lists]
        return [Source("voc", folder, split=split) for split in splits or [file.stem for file in lists]]
    if any(map(_has_voc_file, _xml_folders(folder))):
        return [Source("voc", folder)]
    parts = sorted(part for part in folder.iterdir() if part.is_dir() and is_split_name(part.name))
    return [
        Source("voc", part, split=split_name(part.name))
        for part in parts
        if any(map(_has_voc_file, _xml_folders(part)))
    ]


def voc_mask_sources(folder: Path) -> list[Source]:
    """Return the splits of a folder with `SegmentationObject` and `SegmentationClass`, and without XML files."""
    if not any((folder / "SegmentationObject").glob("*.png")) or not (folder / "SegmentationClass").is_dir():
        return []
    lists = files_in(folder / "ImageSets" / "Segmentation", "*.txt")
    # CVAT names the list of a task without subsets `default.txt`.
    names = [file.stem.replace("default", "") for file in lists if file.stem != "trainval" or len(lists) == 1]
    return [Source("voc-masks", folder, split=name) for name in names or [""]]


def cvat_sources(folder: Path) -> list[Source]:
    """Return the files in the format "CVAT for images 1.1" in a folder or its folder `annotations`."""
    files = [*files_in(folder, "*.xml"), *files_in(folder / "annotations", "*.xml")]
    return [Source("cvat", file) for file in files if xml_format(file) == "cvat"]


def xml_format(file: Path) -> str:
    """Return `"cvat"` for a file with the root element `annotations`, otherwise `"voc"`."""
    with open(file, "rb") as opened:
        return "cvat" if b"<annotations" in opened.read(4096) else "voc"


def _xml_folders(folder: Path) -> list[Path]:
    return [*(folder / name for name in XML_FOLDERS), folder]


def _has_voc_file(folder: Path) -> bool:
    file = next(iter(files_in(folder, "*.xml")), None)
    return file is not None and xml_format(file) == "voc"
