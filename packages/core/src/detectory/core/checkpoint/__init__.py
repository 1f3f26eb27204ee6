"""Checkpoints: atomic writes, exact resume, safe readers for third-party files, and name matching."""

from detectory.core.checkpoint.caffe2_names import convert_basic_names, convert_caffe2_names
from detectory.core.checkpoint.checkpointer import Checkpointer, unwrap, write_checkpoint
from detectory.core.checkpoint.detection_checkpointer import DetectionCheckpointer
from detectory.core.checkpoint.load_report import LoadReport, load_into
from detectory.core.checkpoint.name_matching import match_state_dict
from detectory.core.checkpoint.periodic_checkpointer import PeriodicCheckpointer
from detectory.core.checkpoint.readers import CheckpointError, load_checkpoint_file
from detectory.core.checkpoint.safe_pickle import RefusedPickleError, load_pickle
from detectory.core.checkpoint.search import FoundCheckpoint, checkpoint_problem, find_checkpoint

__all__ = [
    "CheckpointError",
    "Checkpointer",
    "DetectionCheckpointer",
    "FoundCheckpoint",
    "LoadReport",
    "PeriodicCheckpointer",
    "RefusedPickleError",
    "checkpoint_problem",
    "convert_basic_names",
    "convert_caffe2_names",
    "find_checkpoint",
    "load_checkpoint_file",
    "load_into",
    "load_pickle",
    "match_state_dict",
    "unwrap",
    "write_checkpoint",
]
