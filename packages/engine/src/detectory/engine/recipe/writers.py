"""The writers that a training has unless it is told otherwise."""

import importlib.util
import logging
import os
from pathlib import Path

from detectory.core.events import CommonMetricPrinter, EventWriter, JSONWriter, TensorBoardWriter

_logger = logging.getLogger(__name__)


def default_writers(output_dir: str | os.PathLike[str], max_iter: int | None = None) -> list[EventWriter]:
    """Return writers to the log, to `<output_dir>/metrics.json`, and to TensorBoard where it is installed.

    Args:
        output_dir: The folder; it is made.
        max_iter: The number of iterations in all, for the time that is left.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    writers: list[EventWriter] = [CommonMetricPrinter(max_iter), JSONWriter(folder / "metrics.json")]
    if importlib.util.find_spec("tensorboard") is None:
        _logger.info("no TensorBoard files are written: pip install detectory-core[tensorboard]")
    else:
        writers.append(TensorBoardWriter(str(folder)))
    return writers
