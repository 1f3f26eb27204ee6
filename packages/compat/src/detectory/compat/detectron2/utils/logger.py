"""Loggers under Detectron2's module path."""

import atexit
import functools
import logging
import os
import sys
from typing import IO, Any

import torch

from detectory.core import logging as native
from detectory.core.logging import _counts as _LOG_COUNTER
from detectory.core.logging import _last_times as _LOG_TIMER
from detectory.core.logging import create_small_table, log_every_n, log_every_n_seconds, log_first_n

__all__ = [
    "_LOG_COUNTER",
    "_LOG_TIMER",
    "_ColorfulFormatter",
    "_cached_log_stream",
    "_find_caller",
    "_log_api_usage",
    "create_small_table",
    "log_every_n",
    "log_every_n_seconds",
    "log_first_n",
    "setup_logger",
]

_NAME = "detectron2"


@functools.lru_cache
def setup_logger(
    output: str | None = None,
    distributed_rank: int = 0,
    *,
    color: bool = True,
    name: str = _NAME,
    abbrev_name: str | None = None,
    enable_propagation: bool = False,
    configure_stdout: bool = True,
) -> logging.Logger:
    """Add terminal and file handlers to a logger.

    The default name includes the messages of Detectory's own loggers.

    Args:
        output: A file (`.txt` or `.log`), or a folder in which `log.txt` is created.
        distributed_rank: The rank of this process.
        color: Colour the terminal output.
        name: The logger's name.
        abbrev_name: Abbreviation of the name in messages; by default `d2` for `detectron2`.
        enable_propagation: Pass messages on to the root logger.
        configure_stdout: Log to the terminal.
    """
    if abbrev_name is None:
        abbrev_name = name.replace(_NAME, "d2")
    settings = {"color": color, "enable_propagation": enable_propagation, "configure_stdout": configure_stdout}
    if name == _NAME:
        native.setup_logger(output, distributed_rank, name="detectory", abbrev_name=abbrev_name, **settings)
    return native.setup_logger(output, distributed_rank, name=name, abbrev_name=abbrev_name, **settings)


def _log_api_usage(identifier: str) -> None:
    """Count the use of an API with torch's usage logger."""
    torch._C._log_api_usage_once(f"{_NAME}.{identifier}")


def _find_caller() -> tuple[str, tuple[str, int, str]]:
    """Return the module name of the caller's caller, and file, line and function as its identity."""
    frame = sys._getframe(2)
    while frame and os.path.join("utils", "logger.") in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    name = frame.f_globals["__name__"]
    return _NAME if name == "__main__" else name, (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


@functools.lru_cache
def _cached_log_stream(filename: str) -> IO[str]:
    """Open a log file for appending, once per path."""
    stream = open(filename, "a", encoding="utf-8")  # noqa: SIM115 (closed at exit)
    atexit.register(stream.close)
    return stream


class _ColorfulFormatter(logging.Formatter):
    """Formatter that abbreviates the logger's root name and marks warnings and errors in colour."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._root_name = kwargs.pop("root_name") + "."
        self._abbrev_name = kwargs.pop("abbrev_name", "")
        if self._abbrev_name:
            self._abbrev_name += "."
        super().__init__(*args, **kwargs)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the formatted line of a record."""
        record.name = record.name.replace(self._root_name, self._abbrev_name)
        line = super().formatMessage(record)
        color = {logging.WARNING: "31", logging.ERROR: "4;31", logging.CRITICAL: "4;31"}.get(record.levelno)
        return line if color is None else f"\033[{color}m{record.levelname}\033[0m {line}"
