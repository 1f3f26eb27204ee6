"""TensorBoardWriter: scalars, images and histograms for TensorBoard."""

from functools import cached_property, partial
from typing import Any

from detectory.core.events.event_storage import get_event_storage, has_event_storage
from detectory.core.events.event_writer import EventWriter, new_scalars


class TensorBoardWriter(EventWriter):
    """Writes scalars, images and histograms to a TensorBoard event file.

    In a resumed run, the writer makes TensorBoard purge the iterations that are repeated.

    Args:
        log_dir: The folder of the event files, created at the first write.
        window_size: Noisy scalars are replaced by their median over this number of iterations.
        kwargs: Further arguments of `torch.utils.tensorboard.SummaryWriter`.

    Raises:
        ImportError: If `tensorboard` is not installed.
    """

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs: Any) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoardWriter requires tensorboard: pip install detectory-core[tensorboard]"
            ) from error
        self._make_writer = partial(SummaryWriter, log_dir, **kwargs)
        self._window_size = window_size
        self._last_write = -1

    @cached_property
    def _writer(self) -> Any:
        start = get_event_storage().start_iter if has_event_storage() else 0
        return self._make_writer(purge_step=start) if start else self._make_writer()

    def write(self) -> None:
        """Write the events since the last call and remove images and histograms from the storage."""
        storage = get_event_storage()
        for iteration, scalars in sorted(new_scalars(storage, self._last_write, self._window_size).items()):
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, iteration)
            self._last_write = iteration
        for name, image, iteration in storage.images:
            self._writer.add_image(name, image, iteration)
        storage.clear_images()
        for histogram in storage.histograms:
            self._writer.add_histogram_raw(**histogram)
        storage.clear_histograms()

    def close(self) -> None:
        """Flush and close the file."""
        if "_writer" in self.__dict__:
            self._writer.close()
