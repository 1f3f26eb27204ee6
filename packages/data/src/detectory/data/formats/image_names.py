"""ImageNames: file names of images that are not relative to the image folder, found in that folder."""

import logging
import os
from functools import cached_property
from pathlib import Path

from detectory.data.formats.file_names import file_name_problem, name_below
from detectory.data.formats.json_file import read_json
from detectory.data.formats.layouts.image_root import find_image_root

_logger = logging.getLogger(__name__)


class ImageNames:
    """Replaces absolute file names, and names with `..`, by the names of the same files below the image folder.

    Tools write such names on the computer on which the images were annotated. Names that are valid, and names without a
    file, are not changed.

    Args:
        file: The annotation file in COCO format.
        images: The image folder, or None to find it.
    """

    def __init__(self, file: Path, images: Path | None) -> None:
        self._file = file
        self._images = images
        self._renamed: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Return the name below the image folder, or the same name."""
        if file_name_problem(name) is None:
            return name
        found = name_below(name, self._root) if name and "\0" not in name else None
        if found is not None:
            self._renamed[name] = found
        return name if found is None else found

    def warn(self) -> None:
        """Log one warning if names were replaced."""
        if self._renamed:
            name, found = next(iter(self._renamed.items()))
            _logger.warning(
                "%s: image names that are not relative to the image folder: %d. The files below %s are used, such as "
                "%s for %s",
                *(self._file, len(self._renamed), self._root, found, name),
            )

    @cached_property
    def _root(self) -> Path:
        if self._images is not None:
            return self._images
        names = [image.get("file_name") for image in read_json(self._file)["images"] if isinstance(image, dict)]
        return Path(os.fspath(find_image_root(self._file, [name for name in names if isinstance(name, str) and name])))
