"""The fastest backend of a run on this machine, as measured by `detectory benchmark RUN --formats best`.

Stored in `RUN/backends/MACHINE/`: `best.json`, and the exported file if the backend is a format. Several machines can
share a run folder.
"""

import hashlib
import json
import os
import platform
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from detectory.core.storage import atomic_write, read_json
from detectory.engine.inference.predictor import Predictor
from detectory.engine.inference.run_folder import best_checkpoint
from detectory.export.loading import load

FOLDER = "backends"


def machine_name() -> str:
    """Return a folder name for this type of processor, torch version and number of threads."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        processor = lines[0].partition(":")[2].strip() if lines else processor
    readable = re.sub(r"\W+", "-", processor).strip("-")
    return f"{readable}-torch-{torch.__version__.partition('+')[0]}-{torch.get_num_threads()}-threads"


def store_best(run: str | os.PathLike[str], backend: str, files: list[Path], latency: float) -> Path:
    """Store the fastest backend of a run for this machine.

    Args:
        run: The run folder.
        backend: `"eager"`, `"optimized"`, `"compile"` or a format, with the type after a colon unless it is float32.
        files: The exported file, followed by the files that it refers to; empty for backends without a file.
        latency: Median seconds per image.

    Returns:
        The folder.
    """
    folder = Path(run) / FOLDER / machine_name()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    content = {
        "backend": backend,
        "file": files[0].name if files else "",
        "latency": latency,
        "checkpoint": _fingerprint(run),
    }
    with atomic_write(folder / "best.json", "w") as target:
        target.write(json.dumps(content, indent=1))
    return folder


def stored_best(run: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the content of `best.json` for this machine, or None without a measurement of the best checkpoint."""
    path = Path(run) / FOLDER / machine_name() / "best.json"
    if not path.is_file():
        return None
    content = read_json(path)
    return content if content.get("checkpoint") == _fingerprint(run) else None


def load_best(run: str | os.PathLike[str]) -> tuple[str, Predictor | None]:
    """Return the name of the fastest backend of a run on this machine, and the predictor of its file.

    Without a measurement of the best checkpoint on this machine, the backend is "optimized". The predictor is None
    for backends without a file.
    """
    best = stored_best(run)
    if best is None:
        return "optimized", None
    file = Path(run) / FOLDER / machine_name() / best["file"]
    return best["backend"], load(file) if best["file"] else None


def _fingerprint(run: str | os.PathLike[str]) -> str:
    """Return the name, size and modification time of the run's best checkpoint as a hash."""
    path = Path(best_checkpoint(Path(run)))
    status = path.stat()
    return hashlib.sha256(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
