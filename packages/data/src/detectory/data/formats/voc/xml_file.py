"""Parsing of VOC's XML files, in any encoding that Python knows, and search for their images."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

from detectory.data.formats.file_names import file_name_problem, portable_name
from detectory.data.images.folders import IMAGE_SUFFIXES
from detectory.data.problems import DatasetError, Problem

_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)[\"'][^>]*\?>")


def parse_xml(file: str) -> ElementTree.Element:
    """Return the root element of an XML file.

    Raises:
        FileNotFoundError: If the file does not exist.
        DatasetError: If the file is not valid XML, or not in the encoding that it declares.
    """
    data = Path(file).read_bytes()
    declared = _DECLARATION.match(data)
    try:
        try:
            return ElementTree.fromstring(data)
        except ValueError as error:
            # expat supports no encodings with several bytes per character except UTF-8 and UTF-16.
            if declared is None:
                raise DatasetError(Problem(file, "", "", f"not valid XML: {error}")) from error
            return ElementTree.fromstring(data[declared.end() :].decode(declared[1].decode("ascii")))
    except LookupError as error:
        message = f"unknown encoding {declared[1].decode('ascii')!r}" if declared else str(error)
        raise DatasetError(Problem(file, "", "", f"not valid XML: {message}")) from error
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise DatasetError(Problem(file, "", "", f"not valid XML: {error}")) from error


class ImageNameError(ValueError):
    """`filename` refers to a file outside the image folder."""


def find_voc_image(file: str, image_dir: str, filename: str) -> str:
    """Return the path of the image of an XML file, whether or not the image exists.

    `filename` decides, without its folder if there is no such folder, and with another suffix if there is no such file.
    Otherwise the image has the name of the XML file.

    Args:
        file: The XML file.
        image_dir: The image folder.
        filename: The content of `filename`; may be empty.

    Raises:
        ImageNameError: If `filename` refers to a file outside the image folder.
    """
    name = portable_name(filename.strip())
    if name and file_name_problem(name):
        # Some tools store the full path on the annotator's computer.
        name = name.rsplit("/", 1)[-1]
        message = file_name_problem(name)
        if message:
            raise ImageNameError(message)
    stem = os.path.splitext(os.path.basename(file))[0]
    for candidate in dict.fromkeys((name, name.rsplit("/", 1)[-1], stem)):
        path = _with_any_suffix(os.path.join(image_dir, candidate)) if candidate else None
        if path is not None:
            return path
    has_suffix = name.lower().endswith(IMAGE_SUFFIXES)
    return os.path.join(image_dir, name if has_suffix else f"{stem}{os.path.splitext(name)[1] or '.jpg'}")


def _with_any_suffix(path: str) -> str | None:
    """Return the path if the file exists, otherwise an image with the same name and another suffix, or None."""
    if path.lower().endswith(IMAGE_SUFFIXES) and os.path.isfile(path):
        return path
    stems = dict.fromkeys((path, os.path.splitext(path)[0]))
    candidates = (f"{stem}{suffix}" for stem in stems for lower in IMAGE_SUFFIXES for suffix in (lower, lower.upper()))
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), None)
