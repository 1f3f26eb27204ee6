"""Detectron2's module paths on Detectory: YAML configs, registries, builders and trainers.

`install()` makes `import detectron2` resolve to this package, so that an unchanged project runs.
"""

from detectory.compat.detectron2._install import install

__all__ = ["install"]
__version__ = "0.6"  # the Detectron2 release whose behaviour is reproduced
