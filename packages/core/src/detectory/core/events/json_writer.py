"""Scalars as JSON lines."""

import json
import os
from pathlib import Path

from detectory.core.events.storage import get_event_storage
from detectory.core.events.writer import EventWriter


class JSONWriter(EventWriter):
    """Writes scalars to a file, one JSON object with ``iteration`` and the new values on each line.

    An existing file is continued. A last line that a killed process left unfinished is removed first.

    Args:
        json_file: the file; missing folders are made.
        window_size: noisy scalars are written as the median of their values of so many iterations.
    """

    def __init__(self, json_file: str | os.PathLike[str], window_size: int = 20) -> None:
        path = Path(json_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_unfinished_line(path)
        self._file = path.open("a", encoding="utf-8")
        self._window_size = window_size
        self._last_write = -1

    def write(self) -> None:
        """Write the scalars that were put since the last call, one line for each iteration."""
        storage = get_event_storage()
        lines: dict[int, dict[str, float]] = {}
        for name, (value, iteration) in storage.latest_with_smoothing_hint(self._window_size).items():
            if iteration > self._last_write:
                lines.setdefault(iteration, {})[name] = value
        for iteration in sorted(lines):
            self._file.write(json.dumps({"iteration": iteration, **lines[iteration]}, sort_keys=True) + "\n")
            self._last_write = iteration
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_unfinished_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
