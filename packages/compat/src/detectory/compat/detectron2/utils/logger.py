"""Loggers under Detectron2's module path."""

import functools
import logging

from detectory.core import logging as native
from detectory.core.logging import create_small_table, log_every_n, log_every_n_seconds, log_first_n

__all__ = ["create_small_table", "log_every_n", "log_every_n_seconds", "log_first_n", "setup_logger"]

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
