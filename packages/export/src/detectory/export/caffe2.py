"""Names of Detectron2's Caffe2 export. Caffe2 is no part of torch any more; the names say what took its place."""

from __future__ import annotations

from typing import Any, NoReturn

_INSTEAD = (
    "Caffe2 is no part of torch any more, so it cannot be exported to; "
    "use detectory.export.export_onnx(model, inputs, path) and detectory.export.load(path)"
)


def add_export_config(cfg: Any) -> NoReturn:
    """Raise: there are no Caffe2 options to add.

    Raises:
        RuntimeError: always; the message names the functions to use.
    """
    raise RuntimeError(f"add_export_config: {_INSTEAD}; no options are needed in {type(cfg).__name__}")


class Caffe2Tracer:
    """Raise when made.

    Raises:
        RuntimeError: always; the message names the functions to use.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2Tracer: {_INSTEAD}")


class Caffe2Model:
    """Raise when made or loaded.

    Raises:
        RuntimeError: always; the message names the functions to use.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2Model: {_INSTEAD}")

    @staticmethod
    def load_protobuf(directory: str) -> NoReturn:
        """Raise: a Caffe2 model cannot be run.

        Raises:
            RuntimeError: always; the message names the functions to use.
        """
        raise RuntimeError(f"Caffe2Model.load_protobuf: cannot read {directory}: {_INSTEAD}")


class Caffe2RPN:
    """Raise when made.

    Raises:
        RuntimeError: always; the message names the functions to use.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"Caffe2RPN: {_INSTEAD}")
