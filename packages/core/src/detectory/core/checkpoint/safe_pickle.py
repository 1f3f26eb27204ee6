"""An unpickler that builds arrays, tensors and plain containers and refuses to call anything else."""

import importlib
import io
import os
import pickle
from collections.abc import Callable
from typing import IO, Any

import numpy as np
import torch

_ALLOWED = {
    "_codecs": {"encode"},
    "builtins": {"bytearray", "complex", "frozenset", "set", "slice"},
    "__builtin__": {"bytearray", "complex", "frozenset", "set", "slice"},
    "collections": {"OrderedDict"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
    "torch": {"Size", "device"},
    "torch._utils": {"_rebuild_parameter", "_rebuild_tensor", "_rebuild_tensor_v2"},
    "torch.nn.parameter": {"Parameter"},
}


class RefusedPickleError(pickle.UnpicklingError):
    """A pickle wants to call something that is neither an array, a tensor nor a plain container."""


class _RestrictedUnpickler(pickle.Unpickler):
    """Looks names up in a fixed list instead of importing what the file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage_from_bytes
        if name in _ALLOWED.get(module, ()):
            return getattr(_module(module), name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module in ("numpy", "numpy.dtypes") and _is_number_type(name):
            return getattr(_module(module), name)
        raise RefusedPickleError(f"the file wants to use '{module}.{name}', which is no array, tensor or container")

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedPickleError(f"the file refers to an object outside of it: {pid!r}")


def load_pickle(file: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Read a pickle of numbers, strings, containers, NumPy arrays and torch tensors; no code of the file runs.

    Strings that Python 2 wrote are read as Latin-1, as NumPy's own arrays of that time need it.

    Args:
        file: a path or an open binary file.

    Raises:
        RefusedPickleError: the file wants to build anything else; the message names the file and the class.
        pickle.UnpicklingError: the file is no pickle or ends too early.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _load(file, getattr(file, "name", "the pickle"))
    with open(file, "rb") as opened:
        return _load(opened, os.fspath(file))


def _load(file: IO[bytes], name: str) -> Any:
    try:
        return _RestrictedUnpickler(file, encoding="latin1").load()
    except RefusedPickleError as error:
        raise RefusedPickleError(f"load_pickle: {name} is refused: {error}") from error
    except (EOFError, pickle.UnpicklingError, UnicodeDecodeError, IndexError, KeyError, ValueError) as error:
        raise pickle.UnpicklingError(f"load_pickle: {name} is no pickle or is damaged: {error}") from error


def numpy_globals() -> list[Any]:
    """Return what ``torch.load(weights_only=True)`` must be allowed to call, so that it reads NumPy arrays."""
    multiarray = _module("numpy.core.multiarray")
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefdFDSU"]
    scalars = [np.dtype(code).type for code in "?bhilqBHILQefdFD"]
    return [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype, *set(dtypes), *set(scalars), _encode()]


def _encode() -> Callable[..., Any]:
    return importlib.import_module("_codecs").encode


def _module(name: str) -> Any:
    # NumPy 2 moved numpy.core to numpy._core; files name the place of the version that wrote them.
    if name.startswith(("numpy.core", "numpy._core")):
        part = name.rpartition(".")[2]
        private = importlib.import_module("numpy._core" if hasattr(np, "_core") else "numpy.core")
        return importlib.import_module(f"{private.__name__}.{part}")
    return importlib.import_module({"__builtin__": "builtins"}.get(name, name))


def _is_number_type(name: str) -> bool:
    if name.endswith("DType"):
        return True
    kind = getattr(np, name, None)
    return isinstance(kind, type) and issubclass(kind, np.generic)


def _storage_from_bytes(content: bytes) -> Any:
    # The name that pickled tensors ask for loads with code execution; this one does not.
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
