"""Conversion of checkpoints of other systems to run folders, and of run folders to such checkpoints."""

from .checkpoint import SOURCES, ConvertedModel, convert_checkpoint
from .leaving import TARGETS, Exported, export_run
from .run_folder import write_run

__all__ = ["SOURCES", "TARGETS", "ConvertedModel", "Exported", "convert_checkpoint", "export_run", "write_run"]
