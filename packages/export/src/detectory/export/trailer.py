"""Descriptions after the end of a flatbuffer (ExecuTorch and LiteRT files), whose readers ignore further bytes."""

import hashlib
from dataclasses import replace
from pathlib import Path

from detectory.export.description import KEY, UNSEALED, Description

_MAGIC = b"detectory.json01"


def append_description(path: Path, description: Description) -> None:
    """Append a description, its length and a marker to a file."""
    payload = path.read_bytes()
    unsealed = replace(description, digest=UNSEALED).to_json().encode()
    text = unsealed.replace(UNSEALED.encode(), _digest(payload, unsealed).encode(), 1)
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
    text = content[max(start, 0) : end]
    description = Description.from_json(text.decode(errors="replace"), str(path))
    # The stored text, because another version of the package may serialise the description differently.
    unsealed = text.replace(description.digest.encode(), UNSEALED.encode(), 1)
    if _digest(content[:start], unsealed) != description.digest:
        raise ValueError(f"load: {path} was changed after the export. Export the model again")
    return content[:start], description


def _digest(payload: bytes, unsealed: bytes) -> str:
    return hashlib.sha256(payload + unsealed).hexdigest()
