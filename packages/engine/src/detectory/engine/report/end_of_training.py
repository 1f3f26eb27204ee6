"""The report at the end of a training, which never loses the training."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from detectory.core.distributed import is_main_process
from detectory.engine.hooks.run_record import read_record
from detectory.engine.report.page import write_report

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def report_at_end(run: str | Path) -> Iterator[None]:
    """Write the report when the context is left; only the main process does.

    After an error or a signal, the report is a quick one. After a second Ctrl-C, one line names the command that writes
    it. A training that was refused before its first iteration, so that the record of the run has not changed, gets
    none. If the report cannot be written, or is interrupted by Ctrl-C, one line is logged.

    Args:
        run: The run folder.
    """
    earlier = read_record(run)
    try:
        yield
    except (Exception, SystemExit):
        if is_main_process() and read_record(run) != earlier:
            _try_to_write(run, quick=True)
        raise
    except KeyboardInterrupt:
        # A second Ctrl-C stops at once, also without the report.
        if is_main_process() and read_record(run) != earlier:
            _logger.warning(
                "%s: stopped at once. 'detectory report %s' writes the report, 'detectory train' with the same "
                "arguments and --resume continues from the last checkpoint",
                *(run, run),
            )
        raise
    if is_main_process():
        _try_to_write(run)


def _try_to_write(run: str | Path, *, quick: bool = False) -> None:
    try:
        _logger.info("report: %s", write_report(run, quick=quick))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a complete training must not be lost
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        _logger.warning("the report was not written: %s. 'detectory report %s' writes it later", reason, run)
