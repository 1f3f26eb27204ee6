"""Dataset folders in any supported layout, with a training and a validation split.

- `folder`: `DatasetFolder`, the splits and classes of a folder
- `splits`: selection of the annotations of each split
- `coco_files`: COCO files in the cache for the layouts of other tools
"""

from .folder import DatasetFolder, Split

__all__ = ["DatasetFolder", "Split"]
