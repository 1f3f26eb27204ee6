"""Strict JSON output, to a file or standard output; values that are not finite become `null`."""

import json
import math
from pathlib import Path
from typing import Any

import click

from detectory.core.storage import atomic_write


def write_json(value: Any, path: Path) -> None:
    """Write nested values as JSON atomically; create the parent folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(value), indent=2, allow_nan=False).encode())


def print_json(value: Any) -> None:
    """Print one JSON object or array on standard output; types unknown to JSON are printed as strings."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
