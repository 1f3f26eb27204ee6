"""URLs of Detectron 1's weights, addressed by `catalog://` names."""

import functools
import json
from importlib import resources
from typing import Any, ClassVar

from iopath.common.file_io import PathHandler

from detectory.core.storage import local_path, path_manager
from detectory.core.suggestions import nearest

__all__ = ["ModelCatalog", "ModelCatalogHandler"]

_PREFIX = "https://dl.fbaipublicfiles.com/detectron/"


@functools.cache
def _paths() -> dict[str, str]:
    return json.loads((resources.files(__package__) / "catalog.json").read_text(encoding="utf-8"))


def _url(name: str) -> str:
    if name not in _paths():
        raise RuntimeError(f"ModelCatalog.get: the catalog does not contain '{name}', {nearest(name, _paths())}")
    return _PREFIX + _paths()[name]


class ModelCatalog:
    """URLs by name, such as `"ImageNetPretrained/FAIR/R-50-GN"` or `"Caffe2Detectron/COCO/35858933/…"`."""

    S3_C2_DETECTRON_PREFIX = _PREFIX.rstrip("/")
    C2_DETECTRON_PATH_FORMAT = "{prefix}/{url}/output/train/{dataset}/{type}/model_final.pkl"
    C2_DATASET_COCO = "coco_2014_train%3Acoco_2014_valminusminival"
    C2_DATASET_COCO_KEYPOINTS = "keypoints_coco_2014_train%3Akeypoints_coco_2014_valminusminival"
    C2_IMAGENET_MODELS: ClassVar[dict[str, str]] = {
        name.removeprefix("ImageNetPretrained/"): path
        for name, path in _paths().items()
        if name.startswith("ImageNetPretrained/")
    }
    C2_DETECTRON_MODELS: ClassVar[dict[str, str]] = {
        name.removeprefix("Caffe2Detectron/COCO/"): path
        for name, path in _paths().items()
        if name.startswith("Caffe2Detectron/COCO/")
    }

    @staticmethod
    def get(name: str) -> str:
        """Return the URL of the weights with this name.

        Raises:
            RuntimeError: If the catalog does not contain the name; the message lists the nearest names.
        """
        if name.startswith("Caffe2Detectron/COCO/"):
            return ModelCatalog._get_c2_detectron_baseline(name)
        return ModelCatalog._get_c2_imagenet_pretrained(name)

    @staticmethod
    def _get_c2_imagenet_pretrained(name: str) -> str:
        """Return the URL of a classification model, `ImageNetPretrained/…`."""
        return _url(name)

    @staticmethod
    def _get_c2_detectron_baseline(name: str) -> str:
        """Return the URL of a detector, `Caffe2Detectron/COCO/…`."""
        return _url(name)


class ModelCatalogHandler(PathHandler):
    """Path handler that opens `catalog://` paths as files."""

    PREFIX = "catalog://"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        del force, kwargs
        return local_path(ModelCatalog.get(path.removeprefix(self.PREFIX)))

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> Any:
        del buffering
        if "w" in mode or "a" in mode:
            raise OSError(f"{path}: files of the catalog are read-only")
        return open(self._get_local_path(path), mode, **kwargs)


path_manager().register_handler(ModelCatalogHandler(), allow_override=True)
