"""transformers: DETR and Table Transformer in both directions."""

from .detr import class_names, detr_config, resize_config
from .folder import WEIGHTS, PretrainedFolder, is_pretrained_folder, read_folder
from .images import DETRResize
from .leaving import write_pretrained
from .names import convert_detr, revert_detr

__all__ = [
    "WEIGHTS",
    "DETRResize",
    "PretrainedFolder",
    "class_names",
    "convert_detr",
    "detr_config",
    "is_pretrained_folder",
    "read_folder",
    "resize_config",
    "revert_detr",
    "write_pretrained",
]
