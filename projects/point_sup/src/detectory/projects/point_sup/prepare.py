"""Command that replaces the masks of a COCO annotation file by labeled points.

Usage: `python -m detectory.projects.point_sup.prepare FILE --points 10`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectory.projects.point_sup import add_points

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `STEM_n{POINTS}_v{VERSION}_without_masks.json` for each version and write the names to standard output.

    Raises:
        SystemExit: If an argument or the file is invalid.
    """
    parser = argparse.ArgumentParser(
        prog="python -m detectory.projects.point_sup.prepare",
        description="Replace the masks of a COCO annotation file by labeled points.",
    )
    parser.add_argument("file", type=Path, help="annotation file with masks, such as instances_train2017.json")
    parser.add_argument("--points", type=int, default=10, help="points per object (default: 10)")
    parser.add_argument("--versions", type=int, default=1, help="number of files with different points (default: 1)")
    parser.add_argument("--seed", type=int, default=12345, help="seed of the random points (default: 12345)")
    parser.add_argument("--output", type=Path, help="folder of the new files (default: that of FILE)")
    options = parser.parse_args(arguments)
    for name in ("points", "versions"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    try:
        dataset = json.loads(options.file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{options.file}: {error}")
    if not isinstance(dataset, dict) or not {"images", "annotations"} <= dataset.keys():
        parser.error(f"{options.file}: expected an object with 'images' and 'annotations'")
    folder = options.output or options.file.parent
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.RandomState(options.seed)
    for version in range(1, options.versions + 1):
        target = folder / f"{options.file.stem}_n{options.points}_v{version}_without_masks.json"
        try:
            text = json.dumps(add_points(dataset, options.points, generator))
        except ValueError as error:
            parser.error(f"{options.file}: {error}")
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
