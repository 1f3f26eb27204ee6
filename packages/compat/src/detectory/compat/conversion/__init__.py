"""Conversion of checkpoints of other systems to run folders."""

from .checkpoint import SOURCES, ConvertedModel, convert_checkpoint
from .run_folder import write_run

__all__ = ["SOURCES", "ConvertedModel", "convert_checkpoint", "write_run"]
