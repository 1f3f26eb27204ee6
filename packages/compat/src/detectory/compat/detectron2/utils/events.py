"""Training events under Detectron2's module path."""

import logging

from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.core import events as native
from detectory.core.events import (
    EventStorage,
    EventWriter,
    HistoryBuffer,
    JSONWriter,
    get_event_storage,
    has_event_storage,
)
from detectory.core.events import TensorBoardWriter as TensorboardXWriter
from detectory.core.events.event_storage import _open_storages as _CURRENT_STORAGE_STACK

__all__ = [
    "_CURRENT_STORAGE_STACK",
    "CommonMetricPrinter",
    "EventStorage",
    "EventWriter",
    "HistoryBuffer",
    "JSONWriter",
    "PathManager",
    "TensorboardXWriter",
    "get_event_storage",
    "has_event_storage",
]


class CommonMetricPrinter(native.CommonMetricPrinter):
    """A `CommonMetricPrinter` that logs under Detectron2's logger name, so that programs can filter its lines."""

    def __init__(self, max_iter: int | None = None, window_size: int = 20) -> None:
        super().__init__(max_iter, window_size)
        self.logger = logging.getLogger("detectron2.utils.events")
