"""Loggers with one setting for the whole toolkit, messages that appear only sometimes, and small tables."""

import atexit
import functools
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

_DATE = "%m/%d %H:%M:%S"
_COLORS = {logging.WARNING: "\033[31m", logging.ERROR: "\033[1;31m", logging.CRITICAL: "\033[1;31m"}
_GREEN, _RESET = "\033[32m", "\033[0m"

_counts: Counter[tuple[Any, ...]] = Counter()
_last_times: dict[tuple[Any, ...], float] = {}


class _Formatter(logging.Formatter):
    """Writes time, logger and message; abbreviates the root logger's name and colours what a terminal shows."""

    def __init__(self, name: str, abbreviation: str, color: bool) -> None:
        time_and_place = "[%(asctime)s %(name)s]:"
        if color:
            time_and_place = f"{_GREEN}{time_and_place}{_RESET}"
        super().__init__(f"{time_and_place} %(mark)s%(message)s", datefmt=_DATE)
        self._name, self._abbreviation, self._color = name, abbreviation, color

    def formatMessage(self, record: logging.LogRecord) -> str:
        record = logging.makeLogRecord(vars(record))
        if record.name == self._name or record.name.startswith(f"{self._name}."):
            record.name = f"{self._abbreviation}{record.name[len(self._name) :]}".lstrip(".")
        record.mark = ""
        if record.levelno >= logging.WARNING:
            color = _COLORS.get(record.levelno, "") if self._color else ""
            record.mark = f"{color}{record.levelname}{_RESET if color else ''} "
        return super().formatMessage(record)


@functools.lru_cache  # a second call must not add a second pair of handlers
def setup_logger(
    output: str | None = None,
    distributed_rank: int = 0,
    *,
    color: bool = True,
    name: str = "detectory",
    abbrev_name: str | None = None,
    enable_propagation: bool = False,
    configure_stdout: bool = True,
) -> logging.Logger:
    """Let a logger write to the terminal and to a file, from level DEBUG on.

    Args:
        output: A file (`.txt` or `.log`) or a folder, which gets `log.txt`; None for no file. Processes of a
            rank above 0 write to `<file>.rank<N>` and nothing to the terminal.
        distributed_rank: The rank of this process.
        color: Colour the terminal's lines when it is one.
        name: The logger to set up, with all below it.
        abbrev_name: What the lines show instead of `name`; `""` for nothing.
        enable_propagation: Also hand messages to the root logger's handlers.
        configure_stdout: Write to the terminal at all.

    Returns:
        The logger.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    abbreviation = name if abbrev_name is None else abbrev_name
    if configure_stdout and distributed_rank == 0:
        terminal = logging.StreamHandler(stream=sys.stdout)
        terminal.setFormatter(_Formatter(name, abbreviation, color and sys.stdout.isatty()))
        logger.addHandler(terminal)
    if output is not None:
        path = Path(output)
        path = path if path.suffix in (".txt", ".log") else path / "log.txt"
        if distributed_rank > 0:
            path = path.with_name(f"{path.name}.rank{distributed_rank}")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, encoding="utf-8", delay=True)
        file.setFormatter(_Formatter(name, abbreviation, color=False))
        logger.addHandler(file)
        atexit.register(file.close)
    return logger


def log_first_n(
    lvl: int, msg: str, n: int = 1, *, name: str | None = None, key: str | tuple[str, ...] = "caller"
) -> None:
    """Log a message only the first `n` times.

    Args:
        lvl: The level, e.g. `logging.WARNING`.
        msg: The message.
        n: How many times.
        name: The logger, that of the calling module by default.
        key: What counts as the same: `"caller"` the calling line, `"message"` the text, or a tuple of both.

    Raises:
        ValueError: `key` holds another word.
    """
    module, place = _caller()
    known = {"caller": place, "message": (msg,)}
    words = (key,) if isinstance(key, str) else key
    if not set(words) <= set(known):
        raise ValueError(f"log_first_n: key must be 'caller', 'message' or both, got {key!r}")
    identity = tuple(known[word] for word in words)
    _counts[identity] += 1
    if _counts[identity] <= n:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log the first of every `n` messages that come from the same line; arguments as of `log_first_n`."""
    module, place = _caller()
    _counts[place] += 1
    if n == 1 or _counts[place] % n == 1:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: float = 1, *, name: str | None = None) -> None:
    """Log a message unless the same line logged less than `n` seconds ago; arguments as of `log_first_n`."""
    module, place = _caller()
    now = time.monotonic()
    if place not in _last_times or now - _last_times[place] >= n:
        logging.getLogger(name or module).log(lvl, msg)
        _last_times[place] = now


def create_small_table(small_dict: dict[str, float]) -> str:
    """Return a Markdown table with one row: names above, numbers with three decimals below.

    Example:
        >>> print(create_small_table({"AP": 37.9, "AP50": 58.8}))
        | AP     | AP50   |
        |:------:|:------:|
        | 37.900 | 58.800 |
    """
    cells = [(str(name), f"{value:.3f}") for name, value in small_dict.items()]
    widths = [max(len(name), len(value), 3) for name, value in cells]
    names = " | ".join(name.ljust(width) for (name, _), width in zip(cells, widths, strict=True))
    rules = "|".join(f":{'-' * width}:" for width in widths)
    values = " | ".join(value.ljust(width) for (_, value), width in zip(cells, widths, strict=True))
    return f"| {names} |\n|{rules}|\n| {values} |"


def _caller() -> tuple[str, tuple[str, int]]:
    """Return the module and the line that called into this file."""
    frame = sys._getframe(2)
    return frame.f_globals.get("__name__", "detectory"), (frame.f_code.co_filename, frame.f_lineno)
