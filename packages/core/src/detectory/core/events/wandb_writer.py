"""WandbWriter: scalars and images for Weights & Biases."""

import os
from typing import Any

from detectory.core.events.event_storage import get_event_storage
from detectory.core.events.event_writer import EventWriter, image_array, new_scalars


class WandbWriter(EventWriter):
    """Writes scalars and images to a Weights & Biases run. Use `mode="offline"` without a network.

    The run starts at the first write. Pass `id` to continue the run of a resumed training.

    Args:
        project: Name of the project.
        window_size: Noisy scalars are replaced by their median over this number of iterations.
        kwargs: Further arguments of `wandb.init`, such as `name`, `id`, `dir`, `mode` or `config`.

    Raises:
        ImportError: If `wandb` is not installed.
    """

    def __init__(self, project: str, window_size: int = 20, **kwargs: Any) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("WandbWriter requires wandb: pip install detectory-core[wandb]") from error
        self._wandb: Any = wandb
        self._arguments = {"project": project, "resume": "allow", **kwargs}
        if "dir" in kwargs:
            os.makedirs(kwargs["dir"], exist_ok=True)
        self._window_size = window_size
        self._last_write = -1
        self._run: Any = None

    def write(self) -> None:
        """Write the events since the last call and remove images from the storage."""
        storage = get_event_storage()
        if self._run is None:
            self._run = self._wandb.init(**self._arguments)
        rows: dict[int, dict[str, Any]] = dict(new_scalars(storage, self._last_write, self._window_size))
        for name, image, iteration in storage.images:
            # W&B only accepts increasing steps.
            row = rows.setdefault(max(iteration, self._last_write + 1), {})
            row[name] = self._wandb.Image(image_array(image))
        storage.clear_images()
        for iteration in sorted(rows):
            self._run.log(rows[iteration], step=iteration)
            self._last_write = iteration

    def close(self) -> None:
        """Finish the run."""
        if self._run is not None:
            self._run.finish()
