"""Descriptions after the end of a flatbuffer (ExecuTorch and LiteRT files), whose readers ignore further bytes."""

import hashlib
from dataclasses import replace
from pathlib import Path

from detectory.export.description import KEY, UNSEALED, Description

_MAGIC = b"detectory.json01"


def append_description(path: Path, description: Description) -> None:
    """Append a description, its length and a marker to a file."""
    payload = path.read_bytes()
    text = replace(description, digest=_digest(payload, description)).to_json().encode()
    path.write_bytes(payload + text + len(text).to_bytes(8, "little") + _MAGIC)


def has_identifier(path: Path, identifier: bytes) -> bool:
    """Whether a file is a flatbuffer with an identifier of four bytes."""
    with path.open("rb") as file:
        return file.read(8)[4:] == identifier


def read_description(path: Path) -> tuple[bytes, Description]:
    """Return the flatbuffer and the description.

    Raises:
        ValueError: If the file does not contain a description, or was changed.
    """
    content = path.read_bytes()
    end = len(content) - len(_MAGIC) - 8
    if end < 0 or content[end + 8 :] != _MAGIC:
        raise ValueError(
            f"load: {path} does not contain {KEY}, or is truncated. Was the file written by detectory.export?"
        )
    start = end - int.from_bytes(content[end : end + 8], "little")
    description = Description.from_json(content[max(start, 0) : end].decode(errors="replace"), str(path))
    if _digest(content[:start], description) != description.digest:
        raise ValueError(f"load: {path} was changed after the export. Export the model again")
    return content[:start], description


def _digest(payload: bytes, description: Description) -> str:
    text = replace(description, digest=UNSEALED).to_json()
    return hashlib.sha256(payload + text.encode()).hexdigest()
