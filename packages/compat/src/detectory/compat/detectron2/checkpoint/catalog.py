"""Addresses of Detectron 1's weights behind `catalog://` names."""

import functools
import json
from importlib import resources
from typing import Any

from iopath.common.file_io import PathHandler

from detectory.core.storage import local_path, path_manager
from detectory.core.suggestions import nearest

__all__ = ["ModelCatalog", "ModelCatalogHandler"]

_PREFIX = "https://dl.fbaipublicfiles.com/detectron/"


@functools.cache
def _paths() -> dict[str, str]:
    return json.loads((resources.files(__package__) / "catalog.json").read_text(encoding="utf-8"))


class ModelCatalog:
    """Addresses by name: `"ImageNetPretrained/FAIR/R-50-GN"`, `"Caffe2Detectron/COCO/35858933/…"`."""

    @staticmethod
    def get(name: str) -> str:
        """Return the address of the weights of this name.

        Raises:
            RuntimeError: the catalog does not have it; the message lists the nearest names.
        """
        if name not in _paths():
            raise RuntimeError(f"the model catalog has no '{name}', {nearest(name, _paths())}")
        return _PREFIX + _paths()[name]


class ModelCatalogHandler(PathHandler):
    """Lets paths that begin with `catalog://` be files."""

    PREFIX = "catalog://"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        del force, kwargs
        return local_path(ModelCatalog.get(path.removeprefix(self.PREFIX)))

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> Any:
        del buffering
        if "w" in mode or "a" in mode:
            raise OSError(f"{path}: files of the catalog cannot be written")
        return open(self._get_local_path(path), mode, **kwargs)


path_manager().register_handler(ModelCatalogHandler(), allow_override=True)
