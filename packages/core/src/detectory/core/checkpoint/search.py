"""Search for the newest intact checkpoint of a folder."""

import functools
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from detectory.core.checkpoint.readers import CheckpointError, file_problem, is_zip, load_checkpoint_file
from detectory.core.checkpoint.safe_arrays import torch_safe_globals

TAG = "last_checkpoint"
_NAME = re.compile(r".+_(\d{7,}|final|best)\.pth")


@dataclass(frozen=True)
class FoundCheckpoint:
    """Result of `find_checkpoint`.

    Attributes:
        path: The newest intact checkpoint, or None.
        skipped: One message per file that was considered first, with the reason why it is not used. If `path` is None
            and `skipped` is empty, the folder does not contain checkpoints.
    """

    path: Path | None = None
    skipped: tuple[str, ...] = ()


def find_checkpoint(folder: str | os.PathLike[str]) -> FoundCheckpoint:
    """Return the checkpoint from which a training can continue.

    This is the file named in `last_checkpoint` if it is intact. Otherwise it is the intact checkpoint of the highest
    iteration among the files `<prefix>_<iteration>.pth` and `<prefix>_final.pth`. `<prefix>_best.pth` is never used:
    its weights may be an average, from which a training does not continue exactly.

    Args:
        folder: The checkpoint folder. It need not exist.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.glob("*.pth") if _NAME.fullmatch(path.name) and path.is_file())
    name, reason = _read_tag(folder / TAG)
    if name:
        problem = checkpoint_problem(folder / name)
        if problem is None:
            return FoundCheckpoint(folder / name)
        reason = problem
    elif not files:
        return FoundCheckpoint()
    skipped = [f"{name or TAG} {reason}"]
    iterations: dict[Path, float] = {}
    for path in files:
        if path.name != name:
            iteration, problem = _iteration(path)
            iterations |= {path: iteration} if problem is None else {}
            skipped += [f"{path.name} {problem}"] if problem is not None else []
    for path in sorted(iterations, key=lambda path: (iterations[path], path.stem.endswith("_final")), reverse=True):
        problem = checkpoint_problem(path)
        if problem is None:
            return FoundCheckpoint(path, tuple(skipped))
        skipped.append(f"{path.name} {problem}")
    return FoundCheckpoint(None, tuple(skipped))


def checkpoint_problem(path: str | os.PathLike[str]) -> str | None:
    """Return why a checkpoint file cannot be loaded, such as "is empty" or "is truncated"; None if it is intact.

    Files written by `torch.save` are read completely, and the checksums of all tensors are compared. The result is
    cached until the file changes.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"is not readable: {error.strerror}"
    return _problem(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _problem(path: str, size: int, _: int) -> str | None:
    if os.path.isdir(path):
        return "is a folder"
    try:
        if (problem := file_problem(path)) is not None:
            return problem
        if not is_zip(path):
            load_checkpoint_file(path)
            return None
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() if torch.serialization.get_crc32_options() else None
    except zipfile.BadZipFile:
        return f"is truncated or corrupt ({size} bytes)"
    except CheckpointError as error:
        return str(error).partition(f"{path} ")[2] or f"is corrupt: {error}"
    except (OSError, EOFError, RuntimeError) as error:
        return f"is not readable: {error}"
    return None if damaged is None else f"is corrupt: the checksum of {damaged} differs"


def _read_tag(tag: Path) -> tuple[str, str]:
    """Return the file name in `last_checkpoint`, or an empty string and the reason."""
    try:
        name = tag.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "", "is missing"
    except (OSError, UnicodeDecodeError) as error:
        return "", f"is not readable: {error}"
    return name, "" if name else "is empty"


def _iteration(path: Path) -> tuple[float, str | None]:
    """Return the iteration of a checkpoint, or a reason why it is not used. Tensors are not read."""
    number = path.stem.rpartition("_")[2]
    if number == "best":
        return -1, "is not used to resume: its weights may be an average"
    if number != "final":
        return int(number), None
    problem = checkpoint_problem(path)
    if problem is not None:
        return -1, problem
    try:
        with torch.serialization.safe_globals(torch_safe_globals()):
            content = torch.load(path, map_location="cpu", mmap=is_zip(path), weights_only=True)
        return int(content["iteration"]), None
    except (KeyError, TypeError):
        return -1, "contains only weights"
