"""Integrity of exported files that are not archives: a SHA-256 of the whole content, stored in the description.

The digest is computed with `UNSEALED` in place of the digest. Both have 64 characters, so that sealing a file changes
neither its length nor any offset in it.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from detectory.export.description import UNSEALED


def seal(files: Sequence[Path]) -> None:
    """Replace the placeholder in the first file by the digest of all files.

    Args:
        files: The file with the description, followed by the files that it refers to.
    """
    content = files[0].read_bytes()
    digest = _digest(content, files[1:])
    files[0].write_bytes(content.replace(UNSEALED.encode(), digest.encode(), 1))


def check_seal(files: Sequence[Path], digest: str) -> None:
    """Check that files have not changed since `seal`.

    Raises:
        ValueError: If a file has changed or is missing.
    """
    for path in files:
        if not path.is_file():
            raise ValueError(f"load: {files[0]}: the file {path.name} next to it is missing")
    content = files[0].read_bytes().replace(digest.encode(), UNSEALED.encode(), 1)
    if _digest(content, files[1:]) != digest:
        names = " or ".join(path.name for path in files)
        raise ValueError(f"load: {files[0]}: {names} was changed or truncated after the export. Export the model again")


def files_of(path: Path) -> list[Path]:
    """Return an ONNX file or the `.xml` file of an OpenVINO model, followed by its file of weights, if any."""
    if path.suffix == ".xml":
        return [path, path.with_suffix(".bin")]
    data = path.with_name(f"{path.name}.data")
    return [path, data] if data.is_file() and data.name.encode() in path.read_bytes() else [path]


def _digest(content: bytes, others: Sequence[Path]) -> str:
    result = hashlib.sha256(content)
    for path in others:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                result.update(block)
    return result.hexdigest()
