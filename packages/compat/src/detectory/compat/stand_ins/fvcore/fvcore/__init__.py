"""Stand-in found on `sys.path` by processes in which `install` has not been called yet, such as spawned children."""

from detectory.compat.detectron2._install import install

install()
