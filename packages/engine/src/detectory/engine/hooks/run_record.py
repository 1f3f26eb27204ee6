"""RunRecord hook: the record of a run's parts: time, memory, environment and how each part ended."""

import datetime
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from detectory.core.distributed import get_world_size
from detectory.core.environment import collect_environment
from detectory.core.storage import atomic_write, read_json
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)

#: Name of the record in a run folder.
RECORD_FILE = "run.json"
_SECONDS_BETWEEN_WRITES = 30.0


class RunRecord(HookBase):
    """Writes `run.json` in the run folder: one entry per part of the run; a resumed training adds a part.

    A part has the fields `started` (UTC), `seconds`, `first_iteration`, `iterations` (completed in total), `max_iter`,
    `end` ("running", "finished", "stopped: …" or "failed: …"), `processes`, `device`, `peak_memory` (bytes) and
    `environment`. The file is updated every 30 seconds, so a part that was killed ends with "running".

    Args:
        folder: The run folder.
        device: The device of the model.
    """

    def __init__(self, folder: str | os.PathLike[str], device: str) -> None:
        self._path = Path(folder) / RECORD_FILE
        self._device = device
        self._start = self._written = 0.0
        self._part: dict[str, Any] = {}
        self._earlier: list[dict[str, Any]] = []

    def before_train(self) -> None:
        """Read the earlier parts of a resumed run and add a part."""
        self._start = time.monotonic()
        self._earlier = read_record(self._path.parent) if self.trainer.start_iter > 0 else []
        self._part = {
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "first_iteration": self.trainer.start_iter,
            "max_iter": self.trainer.max_iter,
            "processes": get_world_size(),
            "device": _device_name(self._device),
            "environment": collect_environment(),
        }
        self._write("running", self.trainer.start_iter)

    def after_step(self) -> None:
        """Update the file if the last update is long ago."""
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._write("running", self.trainer.iter + 1)

    def __enter__(self) -> "RunRecord":
        """Start recording; the context surrounds the training, so that errors of other hooks are recorded too."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Record how the part ended."""
        if not self._part:
            return
        done = self.trainer.iter
        if error is not None:
            self._write(f"failed: {type(error).__name__}: {error}"[:500], done)
        elif self.trainer.stop_reason is not None:
            self._write(f"stopped: {self.trainer.stop_reason}", done + 1)
        else:
            self._write("finished", done)

    def _write(self, end: str, iterations: int) -> None:
        self._written = time.monotonic()
        self._part |= {
            "end": end,
            "iterations": iterations,
            "seconds": round(self._written - self._start, 2),
            "peak_memory": peak_memory(self._device),
        }
        try:
            with atomic_write(self._path, "w") as file:
                json.dump({"parts": [*self._earlier, self._part]}, file, indent=1)
        except OSError as error:
            _logger.warning("%s could not be written: %s", self._path, error)


def read_record(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the parts of a run, oldest first; empty if the folder has no readable record."""
    try:
        parts = read_json(Path(folder) / RECORD_FILE)["parts"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def peak_memory(device: str) -> int | None:
    """Return the peak of allocated GPU memory, or of this process's resident memory for other devices, in bytes."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
