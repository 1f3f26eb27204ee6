"""Scalars and pictures for MLflow."""

from typing import Any

from detectory.core.events.event_storage import get_event_storage
from detectory.core.events.event_writer import EventWriter, new_scalars, picture_rows


class MLflowWriter(EventWriter):
    """Writes scalars and pictures to a run of MLflow.

    The run starts with the first write. A resumed training continues it when `run_id` is given.

    Args:
        experiment: The experiment's name.
        tracking_uri: The server's address or a database, `sqlite:///mlflow.db`; MLflow's own choice by default.
        window_size: Noisy scalars are written as the median of their values of so many iterations.
        kwargs: Other arguments of `mlflow.start_run`, e.g. `run_name` or `run_id`.

    Raises:
        ImportError: the package `mlflow` is missing.
    """

    def __init__(self, experiment: str, tracking_uri: str | None = None, window_size: int = 20, **kwargs: Any) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError("MLflowWriter needs mlflow: pip install detectory-core[mlflow]") from error
        self._mlflow: Any = mlflow
        self._experiment, self._uri, self._arguments = experiment, tracking_uri, kwargs
        self._window_size = window_size
        self._last_write = -1
        self._is_open = False

    def write(self) -> None:
        """Write what was put since the last call; pictures leave the storage."""
        storage = get_event_storage()
        if not self._is_open:
            if self._uri is not None:
                self._mlflow.set_tracking_uri(self._uri)
            self._mlflow.set_experiment(self._experiment)
            self._mlflow.start_run(**self._arguments)
            self._is_open = True
        for iteration, scalars in sorted(new_scalars(storage, self._last_write, self._window_size).items()):
            self._mlflow.log_metrics(scalars, step=iteration)
            self._last_write = iteration
        for name, picture, iteration in storage.images:
            self._mlflow.log_image(picture_rows(picture), f"{name}_{iteration:07d}.png")
        storage.clear_images()

    def close(self) -> None:
        """Finish the run."""
        if self._is_open:
            self._mlflow.end_run()
