"""Figures as a JSON file that every reader accepts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write


def write_results(results: Any, path: Path) -> None:
    """Write nested figures as JSON, whole or not at all; a figure that is not finite becomes ``null``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(results), indent=2, allow_nan=False).encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
