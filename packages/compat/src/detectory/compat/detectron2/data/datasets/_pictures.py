"""Pictures of a dataset's annotations, by which a person sees whether it is read rightly."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.images import read_image
from detectory.visualization import Visualizer

logger = logging.getLogger(__name__)


def draw_records(records: Sequence[Mapping[str, Any]], metadata: Any, folder: str) -> None:
    """Draw each record's annotations on its picture, into `folder`, as a file of the picture's name."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for record in records:
        visualizer = Visualizer(read_image(record["file_name"], format="RGB"), metadata=metadata)
        visualizer.draw_dataset_dict(record).save(str(Path(folder) / Path(record["file_name"]).name))
    logger.info("Drew %d pictures into %s", len(records), folder)
