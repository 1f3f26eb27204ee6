"""PeriodicCheckpointer: saves at fixed intervals and removes old checkpoints."""

import re
from pathlib import Path
from typing import Any

from detectory.core.checkpoint.checkpointer import Checkpointer


class PeriodicCheckpointer:
    """Saves every `period` iterations, and once more at the end as `<file_prefix>_final`.

    Args:
        checkpointer: Writes the files.
        period: Number of iterations between checkpoints.
        max_iter: Total number of iterations. If None, no final checkpoint is saved.
        max_to_keep: Number of most recent checkpoints to keep, including those of an interrupted run. None keeps all.
        file_prefix: Prefix of the file names.

    Raises:
        ValueError: If `period` or `max_to_keep` is not positive.
    """

    def __init__(
        self,
        checkpointer: Checkpointer,
        period: int,
        max_iter: int | None = None,
        max_to_keep: int | None = None,
        file_prefix: str = "model",
    ) -> None:
        if int(period) < 1:
            raise ValueError(f"PeriodicCheckpointer: period must be positive, got {period}")
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"PeriodicCheckpointer: max_to_keep must be positive or None, got {max_to_keep}")
        self.checkpointer = checkpointer
        self.period = int(period)
        self.max_iter = max_iter
        self.max_to_keep = max_to_keep
        self.file_prefix = file_prefix

    def step(self, iteration: int, **kwargs: Any) -> None:
        """Save if the period has elapsed.

        Args:
            iteration: The iteration that has just finished, in `[0, max_iter - 1]`.
            kwargs: Additional data to save; `iteration` is always included.
        """
        iteration = int(iteration)
        content = {"iteration": iteration, **kwargs}
        is_last = self.max_iter is not None and iteration >= self.max_iter - 1
        if (iteration + 1) % self.period == 0:
            self.save(f"{self.file_prefix}_{iteration:07d}", **content)
            self._remove_old()
        if is_last:
            self.save(f"{self.file_prefix}_final", **content)

    def save(self, name: str, **kwargs: Any) -> None:
        """Save outside of the schedule; see `Checkpointer.save` for the arguments."""
        self.checkpointer.save(name, **kwargs)

    def _remove_old(self) -> None:
        if self.max_to_keep is None or not self.checkpointer.save_to_disk or not self.checkpointer.save_dir:
            return
        numbered = re.compile(rf"{re.escape(self.file_prefix)}_\d{{7,}}\.pth")
        folder = Path(self.checkpointer.save_dir)
        files = sorted(
            (path for path in folder.iterdir() if numbered.fullmatch(path.name)),
            key=lambda path: int(path.stem.rpartition("_")[2]),
        )
        for path in files[: -self.max_to_keep]:
            path.unlink(missing_ok=True)
