"""Detection of folders of instance masks and of the image of each mask."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detectory.data.images.folders import IMAGE_SUFFIXES

_IMAGE_FOLDERS = ("images", "PNGImages", "JPEGImages", "imgs", "image")
_MASK_FOLDERS = ("masks", "PedMasks", "Masks", "mask")
_MASK_ENDINGS = ("_mask", "_masks", "")
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")


class MaskFolders(NamedTuple):
    """The image folder and the mask folder of a dataset."""

    images: Path
    masks: Path


def find_mask_folders(folder: Path) -> MaskFolders | None:
    """Return the folders of images and masks in a folder, or None if no image has a mask."""
    for images in (folder / name for name in _IMAGE_FOLDERS):
        for masks in (folder / name for name in _MASK_FOLDERS):
            found = MaskFolders(images, masks)
            if images.is_dir() and masks.is_dir() and any(mask is not None for _, mask in images_with_masks(found)):
                return found
    return None


def images_with_masks(folders: MaskFolders) -> Iterator[tuple[Path, Path | None]]:
    """Yield the images in the order of their names, each with its mask `NAME_mask.png`, `NAME.png`, …, or None."""
    masks = {mask.stem: mask for mask in folders.masks.iterdir() if mask.suffix.lower() in _MASK_SUFFIXES}
    for image in sorted(path for path in folders.images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES):
        names = (f"{image.stem}{ending}" for ending in _MASK_ENDINGS)
        yield image, next((masks[name] for name in names if name in masks), None)
