"""Detectron2's research projects, which are resolved to separate distributions such as `detectory-point-rend`."""

import sys

from detectory.compat.detectron2._projects import SUBMODULES, ProjectFinder

__all__: list[str] = []

sys.meta_path.insert(0, ProjectFinder(SUBMODULES))
