"""Default event writers of a training run."""

import importlib.util
import logging
import os
from pathlib import Path

from detectory.core.events import CommonMetricPrinter, EventWriter, JSONWriter, TensorBoardWriter

_logger = logging.getLogger(__name__)


def default_writers(output_dir: str | os.PathLike[str], max_iter: int | None = None) -> list[EventWriter]:
    """Return writers for the log, `<output_dir>/metrics.json` and, if it is installed, TensorBoard.

    Args:
        output_dir: The output folder, created if missing.
        max_iter: Total number of iterations, for the estimated remaining time.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    writers: list[EventWriter] = [CommonMetricPrinter(max_iter), JSONWriter(folder / "metrics.json")]
    if importlib.util.find_spec("tensorboard") is None:
        _logger.info(
            "TensorBoard is not installed, no event files are written: pip install detectory-core[tensorboard]"
        )
    else:
        writers.append(TensorBoardWriter(str(folder)))
    return writers
