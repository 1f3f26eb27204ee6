"""Logger setup, rate-limited log messages and small tables."""

import atexit
import contextlib
import functools
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DATE = "%m/%d %H:%M:%S"
_COLORS = {logging.WARNING: "\033[31m", logging.ERROR: "\033[1;31m", logging.CRITICAL: "\033[1;31m"}
_GREEN, _RESET = "\033[32m", "\033[0m"

_counts: Counter[tuple[Any, ...]] = Counter()
_last_times: dict[tuple[Any, ...], float] = {}


class _Formatter(logging.Formatter):
    """Formats time, logger name and message. Abbreviates the root logger's name and colours terminal output."""

    def __init__(self, name: str, abbreviation: str, color: bool) -> None:
        prefix = "[%(asctime)s %(name)s]:"
        if color:
            prefix = f"{_GREEN}{prefix}{_RESET}"
        super().__init__(f"{prefix} %(mark)s%(message)s", datefmt=_DATE)
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


class _TerminalHandler(logging.StreamHandler):
    """Writes to the current `sys.stdout`, which a progress bar replaces to write above the bar."""

    @property
    def stream(self) -> Any:
        return sys.stdout

    @stream.setter
    def stream(self, _: Any) -> None:
        """Ignore the stream that the base class sets."""


@functools.lru_cache  # a repeated call must not add duplicate handlers
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
    """Configure a logger to write to the terminal and to a file, at level DEBUG.

    Args:
        output: A file (`.txt` or `.log`), or a folder for `log.txt`. None for no file. Processes with a rank above 0
            write to `<file>.rank<N>` and not to the terminal.
        distributed_rank: The rank of this process.
        color: Whether to colour the output if stdout is a terminal.
        name: The logger to configure, including its children.
        abbrev_name: Replaces `name` in the output; `""` removes it.
        enable_propagation: Whether to propagate messages to the root logger.
        configure_stdout: Whether to write to stdout.

    Returns:
        The logger.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    abbreviation = name if abbrev_name is None else abbrev_name
    if configure_stdout and distributed_rank == 0:
        logger.addHandler(_terminal_handler(name, abbreviation, color))
    if output is not None:
        path = Path(output)
        path = path if path.suffix in (".txt", ".log") else path / "log.txt"
        if distributed_rank > 0:
            path = path.with_name(f"{path.name}.rank{distributed_rank}")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(_Formatter(name, abbreviation, color=False))
        logger.addHandler(file)
        atexit.register(file.close)
    return logger


@contextlib.contextmanager
def logged_to_file(
    folder: str | os.PathLike[str], *, rank: int = 0, terminal: bool = False, name: str = "detectory"
) -> Iterator[None]:
    """Append the messages of a logger to `log.txt` in a folder while the context is open.

    Nothing changes if the logger already writes to this file. If the log is not visible, warnings are shown on stderr.

    Args:
        folder: The folder; created if it does not exist.
        rank: The rank of this process. Processes with a rank above 0 write to `log.txt.rank<N>`, not to the terminal.
        terminal: Also write to stdout.
        name: The logger, including its children.
    """
    path = Path(folder).resolve() / (f"log.txt.rank{rank}" if rank else "log.txt")
    logger = logging.getLogger(name)
    files = [handler.baseFilename for handler in _chain(logger) if isinstance(handler, logging.FileHandler)]
    if str(path) in files:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(_Formatter(name, name, color=False))
    added: list[logging.Handler] = [file]
    if terminal and rank == 0 and not is_log_visible(logger):
        added.append(_terminal_handler(name, name, color=True))
    elif not is_log_visible(logger):
        warnings = logging.StreamHandler(sys.stderr)
        warnings.setLevel(logging.WARNING)
        added.append(warnings)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    for handler in added:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in added:
            logger.removeHandler(handler)
        logger.setLevel(level)
        try:
            file.close()
        except OSError as error:  # a full disk: an error of the training is more important
            logger.warning("%s is incomplete: %s", path, error)


def _terminal_handler(name: str, abbreviation: str, color: bool) -> logging.Handler:
    handler = _TerminalHandler()
    handler.setFormatter(_Formatter(name, abbreviation, color and sys.stdout.isatty()))
    return handler


def is_log_visible(logger: logging.Logger) -> bool:
    """Return whether informational messages of a logger are shown, by a handler that does not write to a file."""
    return logger.isEnabledFor(logging.INFO) and any(
        isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
        and handler.level <= logging.INFO
        for handler in _chain(logger)
    )


def _chain(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that receive the messages of a logger."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def log_first_n(
    lvl: int, msg: str, n: int = 1, *, name: str | None = None, key: str | tuple[str, ...] = "caller"
) -> None:
    """Log a message only the first `n` times.

    Args:
        lvl: The level, such as `logging.WARNING`.
        msg: The message.
        n: Maximum number of times.
        name: The logger; by default that of the calling module.
        key: What identifies repeated messages: `"caller"` (the calling line), `"message"` (the text), or a tuple of
            both.

    Raises:
        ValueError: If `key` contains anything else.
    """
    module, line = _caller()
    known = {"caller": line, "message": (msg,)}
    words = (key,) if isinstance(key, str) else key
    if not set(words) <= set(known):
        raise ValueError(f"log_first_n: key must be 'caller', 'message' or both, got {key!r}")
    identity = tuple(known[word] for word in words)
    _counts[identity] += 1
    if _counts[identity] <= n:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log every n-th message from the same line, starting with the first; see `log_first_n` for the arguments."""
    module, line = _caller()
    _counts[line] += 1
    if n == 1 or _counts[line] % n == 1:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: float = 1, *, name: str | None = None) -> None:
    """Log a message unless the same line logged one less than `n` seconds ago; see `log_first_n`."""
    module, line = _caller()
    now = time.monotonic()
    if line not in _last_times or now - _last_times[line] >= n:
        logging.getLogger(name or module).log(lvl, msg)
        _last_times[line] = now


def create_small_table(small_dict: dict[str, float]) -> str:
    """Return a Markdown table with a row of names and a row of numbers with three decimals.

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
    """Return the module name, and the file and line number, of the caller's caller."""
    frame = sys._getframe(2)
    return frame.f_globals.get("__name__", "detectory"), (frame.f_code.co_filename, frame.f_lineno)
