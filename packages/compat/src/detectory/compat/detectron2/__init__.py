"""Detectron2 under its own module paths: YAML configs, registries, builders, trainers.

`install()` makes `import detectron2` resolve to this package, so that an unchanged project runs.
"""

from detectory.compat.detectron2._install import install

__all__ = ["install"]
__version__ = "0.6"  # of Detectron2, whose behaviour this package has
