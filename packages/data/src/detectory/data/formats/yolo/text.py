"""Reading of the text files of YOLO datasets."""

from pathlib import Path

from detectory.data.problems import Problem


def read_lines(file: Path) -> list[str] | Problem:
    """Return the lines of a text file, or a problem if the file is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}"
        return Problem(str(file), "", "", message)
