"""Detection of annotation files and folders, of their formats and of their image folders.

- `source`: `Source`, one annotation file or one split
- `folders`: the order in which formats are tried, and the report on folders that no format matches
- `json_formats`, `voc`, `yolo`, `tables`: how the files of a format are recognized
- `image_root`: the image folder of an annotation file
"""

from .folders import describe_folder, sources_of_file, sources_of_folder
from .image_root import find_image_root, panoptic_folders
from .json_formats import json_format
from .source import Source, split_of
from .yolo import find_yolo_config

__all__ = [
    "Source",
    "describe_folder",
    "find_image_root",
    "find_yolo_config",
    "json_format",
    "panoptic_folders",
    "sources_of_file",
    "sources_of_folder",
    "split_of",
]
