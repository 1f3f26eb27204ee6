"""Event storage for scalars, images and histograms, and the writers that log them."""

from detectory.core.events.event_storage import EventStorage, get_event_storage, has_event_storage
from detectory.core.events.event_writer import EventWriter
from detectory.core.events.history_buffer import HistoryBuffer
from detectory.core.events.json_writer import JSONWriter
from detectory.core.events.metric_printer import CommonMetricPrinter
from detectory.core.events.mlflow_writer import MLflowWriter
from detectory.core.events.tensorboard_writer import TensorBoardWriter
from detectory.core.events.wandb_writer import WandbWriter

__all__ = [
    "CommonMetricPrinter",
    "EventStorage",
    "EventWriter",
    "HistoryBuffer",
    "JSONWriter",
    "MLflowWriter",
    "TensorBoardWriter",
    "WandbWriter",
    "get_event_storage",
    "has_event_storage",
]
