"""Detectron2's Caffe2 export API, which raises an error that names the ONNX replacement.

Caffe2 was removed from PyTorch.
"""

from typing import Any, NoReturn

_REPLACEMENT = (
    "Caffe2 was removed from PyTorch; "
    "use detectory.export.export(model, 'model.onnx', inputs) and detectory.export.load(path) instead"
)


def add_export_config(cfg: Any) -> NoReturn:
    """Raise an error: Caffe2 options no longer exist.

    Raises:
        RuntimeError: If it is called; the message names the replacement.
    """
    raise RuntimeError(f"add_export_config: {_REPLACEMENT}. {type(cfg).__name__} needs no export options")


class Caffe2Tracer:
    """A placeholder that raises an error when instantiated.

    Raises:
        RuntimeError: If it is called; the message names the replacement.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2Tracer: {_REPLACEMENT}")


class Caffe2Model:
    """A placeholder that raises an error when instantiated or loaded.

    Raises:
        RuntimeError: If it is called; the message names the replacement.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2Model: {_REPLACEMENT}")

    @staticmethod
    def load_protobuf(directory: str) -> NoReturn:
        """Raise an error: Caffe2 models cannot be run.

        Raises:
            RuntimeError: If it is called; the message names the replacement.
        """
        raise RuntimeError(f"Caffe2Model.load_protobuf: cannot read {directory}: {_REPLACEMENT}")


class Caffe2RPN:
    """A placeholder that raises an error when instantiated.

    Raises:
        RuntimeError: If it is called; the message names the replacement.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2RPN: {_REPLACEMENT}")
