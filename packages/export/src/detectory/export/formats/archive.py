"""Descriptions in zip archives (torch.export, AOTInductor and TorchScript files)."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

from detectory.export.description import KEY, UNSEALED, Description

_BLOCK = 1 << 22


def add_description(path: Path, description: Description) -> None:
    """Add a description to an archive, with the digest of all other entries."""
    with zipfile.ZipFile(path, "a") as archive:
        root = archive.namelist()[0].split("/")[0]
        text = replace(description, digest=UNSEALED).to_json()
        archive.writestr(f"{root}/extra/{KEY}", text.replace(UNSEALED, _digest(archive, text), 1))


def entry_names(path: Path) -> list[str]:
    """Return the names of an archive's entries without the common folder; empty if the file is not an archive."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [name.partition("/")[2] for name in archive.namelist()]


def read_description(path: Path) -> Description:
    """Return the description of an archive after checking the content of all entries.

    Raises:
        ValueError: If the archive does not contain a description, or an entry was changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{KEY}")]
            if not names:
                raise ValueError(f"load: {path} does not contain {KEY}. Was the file written by detectory.export?")
            text = archive.read(names[0]).decode(errors="replace")
            description = Description.from_json(text, str(path))
            # The stored text, because another version of the package may serialise the description differently.
            if _digest(archive, text.replace(description.digest, UNSEALED, 1)) == description.digest:
                return description
    except zipfile.BadZipFile as error:
        raise ValueError(f"load: {path} is damaged: {error}. Export the model again") from error
    raise ValueError(f"load: {path} was changed after the export. Export the model again")


def _digest(archive: zipfile.ZipFile, unsealed: str) -> str:
    """Return the SHA-256 of the unsealed description and of the names and contents of all other entries."""
    result = hashlib.sha256(unsealed.encode())
    for name in sorted(name for name in archive.namelist() if not name.endswith(f"/extra/{KEY}")):
        result.update(name.encode())
        with archive.open(name) as file:
            while block := file.read(_BLOCK):
                result.update(block)
    return result.hexdigest()
