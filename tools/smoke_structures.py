"""Smoke test of an installed detectory-structures: its dependencies and its results.

Run it with the Python of an environment in which torch and then the wheel were installed. It fails if a compiler is on
the path, if the installation added packages other than NumPy and the operators, or if a result is wrong.
"""

import re
import shutil
from importlib import metadata

import torch

from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks, pairwise_iou


def required_by(name: str, seen: set[str]) -> set[str]:
    """Add `name` and its installed requirements to `seen`, recursively, and return `seen`."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    if name not in seen:
        seen.add(name)
        for requirement in requirements:
            if "extra ==" not in requirement:
                required_by(re.match(r"[\w.-]+", requirement)[0], seen)
    return seen


def main() -> None:
    """Check the environment, then the results of boxes, polygons and masks."""
    compilers = [tool for tool in ("cc", "gcc", "g++", "clang", "nvcc") if shutil.which(tool)]
    if compilers:
        raise SystemExit(f"smoke_structures: no compiler may be on the path, got {compilers}")
    installed = {re.sub(r"[-_.]+", "-", entry.metadata["Name"]).lower() for entry in metadata.distributions()}
    added = installed - required_by("torch", set()) - {"pip", "setuptools", "wheel"}
    if added != {"detectory-ops", "detectory-structures", "numpy"}:
        raise SystemExit(f"smoke_structures: expected structures, ops and numpy, got {sorted(added)}")

    square = [[10.0, 10, 30, 10, 30, 30, 10, 30]]
    masks = BitMasks.from_polygon_masks(PolygonMasks([square]), 40, 50)
    instances = Instances((40, 50), boxes=PolygonMasks([square]).get_bounding_boxes(), masks=masks)
    overlap = pairwise_iou(instances.boxes, Boxes([[10, 10, 30, 20]]))
    cropped = instances.masks.crop_and_resize(instances.boxes.tensor, 7)
    if overlap.item() != 0.5 or masks.tensor.sum() != 400 or not cropped.all():
        raise SystemExit(f"smoke_structures: wrong results: {overlap}, {masks.tensor.sum()} pixels, {cropped}")
    print(f"detectory-structures works on torch {torch.__version__}, CUDA build: {torch.version.cuda}")


if __name__ == "__main__":
    main()
