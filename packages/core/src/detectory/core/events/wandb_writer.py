"""Scalars and pictures for Weights & Biases."""

import os
from typing import Any

from detectory.core.events.event_storage import get_event_storage
from detectory.core.events.event_writer import EventWriter, new_scalars, picture_rows


class WandbWriter(EventWriter):
    """Writes scalars and pictures to a run of Weights & Biases; where there is no network, `mode="offline"`.

    The run starts with the first write. A resumed training continues it when `id` is given.

    Args:
        project: The project's name.
        window_size: Noisy scalars are written as the median of their values of so many iterations.
        kwargs: Other arguments of `wandb.init`, e.g. `name`, `id`, `dir`, `mode`, `config`.

    Raises:
        ImportError: the package `wandb` is missing.
    """

    def __init__(self, project: str, window_size: int = 20, **kwargs: Any) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("WandbWriter needs wandb: pip install detectory-core[wandb]") from error
        self._wandb: Any = wandb
        self._arguments = {"project": project, "resume": "allow", **kwargs}
        if "dir" in kwargs:
            os.makedirs(kwargs["dir"], exist_ok=True)
        self._window_size = window_size
        self._last_write = -1
        self._run: Any = None

    def write(self) -> None:
        """Write what was put since the last call; pictures leave the storage."""
        storage = get_event_storage()
        if self._run is None:
            self._run = self._wandb.init(**self._arguments)
        rows: dict[int, dict[str, Any]] = dict(new_scalars(storage, self._last_write, self._window_size))
        for name, picture, iteration in storage.images:
            # The run takes steps in rising order only.
            row = rows.setdefault(max(iteration, self._last_write + 1), {})
            row[name] = self._wandb.Image(picture_rows(picture))
        storage.clear_images()
        for iteration in sorted(rows):
            self._run.log(rows[iteration], step=iteration)
            self._last_write = iteration

    def close(self) -> None:
        """Finish the run."""
        if self._run is not None:
            self._run.finish()
