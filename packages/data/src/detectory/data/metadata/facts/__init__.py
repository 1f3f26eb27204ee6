"""Published facts on datasets as JSON files: class names, colours, ids, counts."""

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def fact_file(name: str) -> Any:
    """Read one of the JSON files in this folder, for example `"coco_categories.json"`."""
    return json.loads((files(__package__) / name).read_text(encoding="utf-8"))
