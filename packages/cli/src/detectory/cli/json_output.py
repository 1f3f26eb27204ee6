"""Figures as JSON that every reader accepts, in a file or on the standard output."""

import json
import math
from pathlib import Path
from typing import Any

import click

from detectory.core.storage import atomic_write


def write_results(results: Any, path: Path) -> None:
    """Write nested figures as JSON, whole or not at all; a figure that is not finite becomes `null`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(results), indent=2, allow_nan=False).encode())


def print_json(results: Any) -> None:
    """Print a value as JSON on the standard output, one object or array a call; what JSON lacks becomes its text."""
    click.echo(json.dumps(_finite(results), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
