"""Launching of distributed processes under Detectron2's module path."""

from detectory.engine import DEFAULT_TIMEOUT, launch

__all__ = ["DEFAULT_TIMEOUT", "launch"]
