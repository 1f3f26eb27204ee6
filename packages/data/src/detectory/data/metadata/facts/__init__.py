"""JSON files of published facts about datasets: class names, colours, category ids, image counts."""

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def fact_file(name: str) -> Any:
    """Return the content of a JSON file in this folder, for example `"coco_categories.json"`."""
    return json.loads((files(__package__) / name).read_text(encoding="utf-8"))
