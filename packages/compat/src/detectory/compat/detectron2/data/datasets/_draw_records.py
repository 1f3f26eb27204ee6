"""Images with the annotations of a dataset drawn on them, for visual inspection."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.images import read_image
from detectory.visualization import Visualizer

_logger = logging.getLogger(__name__)


def draw_records(records: Sequence[Mapping[str, Any]], metadata: Any, folder: str) -> None:
    """Draw the annotations of each record and save the image under its own name in `folder`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for record in records:
        visualizer = Visualizer(read_image(record["file_name"], format="RGB"), metadata=metadata)
        visualizer.draw_dataset_dict(record).save(str(Path(folder) / Path(record["file_name"]).name))
    _logger.info("saved %d annotated images to %s", len(records), folder)
