"""only_errors: a context in which a logger ignores everything but errors."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Ignore information and warnings of a logger while the context is open."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
