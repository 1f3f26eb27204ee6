"""JSONWriter: scalars as JSON Lines."""

import json
import math
import os
from pathlib import Path
from typing import IO

from detectory.core.events.event_storage import get_event_storage
from detectory.core.events.event_writer import EventWriter, new_scalars
from detectory.core.storage import atomic_write


class JSONWriter(EventWriter):
    """Writes scalars to a JSON Lines file, one object with `iteration` and the new values per line.

    A resumed run appends to the file. Lines of iterations that are repeated, and an incomplete last line, are removed
    first, so that each iteration occurs once. A run that starts from iteration 0 renames an existing file to
    `<json_file>.old`.

    Args:
        json_file: The file to write. Missing folders are created.
        window_size: Noisy scalars are replaced by their median over this number of iterations.
    """

    def __init__(self, json_file: str | os.PathLike[str], window_size: int = 20) -> None:
        path = Path(json_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: IO[str] | None = None
        self._window_size = window_size
        self._last_write = -1

    def write(self) -> None:
        """Write the scalars that were logged since the last call, one line per iteration."""
        storage = get_event_storage()
        lines = new_scalars(storage, self._last_write, self._window_size)
        if not lines:
            return
        if self._file is None:
            _remove_lines_from(self._path, storage.start_iter)
            self._file = self._path.open("a", encoding="utf-8")
        for iteration in sorted(lines):
            self._file.write(json.dumps({"iteration": iteration, **lines[iteration]}, sort_keys=True) + "\n")
            self._last_write = iteration
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _remove_lines_from(path: Path, iteration: int) -> None:
    """Remove the lines of `iteration` and later, which a resumed run writes again."""
    if not path.exists():
        return
    if iteration == 0:
        path.replace(path.with_name(f"{path.name}.old"))
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and _iteration_of(line) < iteration]
    if kept != lines:
        with atomic_write(path, "w") as file:
            file.writelines(kept)


def _iteration_of(line: str) -> float:
    """Return the iteration of a line, or -inf if the line is not one of ours, so that it is kept."""
    try:
        return float(json.loads(line)["iteration"])
    except (ValueError, TypeError, LookupError):
        return -math.inf
