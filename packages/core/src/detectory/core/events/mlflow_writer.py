"""MLflowWriter: scalars and images for MLflow."""

from typing import Any

from detectory.core.events.event_storage import get_event_storage
from detectory.core.events.event_writer import EventWriter, image_array, new_scalars


class MLflowWriter(EventWriter):
    """Writes scalars and images to an MLflow run.

    The run starts at the first write. Pass `run_id` to continue the run of a resumed training.

    Args:
        experiment: Name of the experiment.
        tracking_uri: URI of a server or a database such as `sqlite:///mlflow.db`. MLflow's default if None.
        window_size: Noisy scalars are replaced by their median over this number of iterations.
        kwargs: Further arguments of `mlflow.start_run`, such as `run_name` or `run_id`.

    Raises:
        ImportError: If `mlflow` is not installed.
    """

    def __init__(self, experiment: str, tracking_uri: str | None = None, window_size: int = 20, **kwargs: Any) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError("MLflowWriter requires mlflow: pip install detectory-core[mlflow]") from error
        self._mlflow: Any = mlflow
        self._experiment, self._uri, self._arguments = experiment, tracking_uri, kwargs
        self._window_size = window_size
        self._last_write = -1
        self._is_open = False

    def write(self) -> None:
        """Write the events since the last call and remove images from the storage."""
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
        for name, image, iteration in storage.images:
            self._mlflow.log_image(image_array(image), f"{name}_{iteration:07d}.png")
        storage.clear_images()

    def close(self) -> None:
        """End the run."""
        if self._is_open:
            self._mlflow.end_run()
