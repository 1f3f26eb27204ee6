"""Launching of distributed processes under Detectron2's module path."""

import socket

from detectory.engine import DEFAULT_TIMEOUT, launch

__all__ = ["DEFAULT_TIMEOUT", "_find_free_port", "launch"]


def _find_free_port() -> int:
    """Return a TCP port that is currently unused."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind(("", 0))
        return free.getsockname()[1]
