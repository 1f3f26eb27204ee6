"""An unpickler that builds arrays, tensors and plain containers and refuses to call anything else."""

import importlib
import io
import os
import pickle
from typing import IO, Any

import torch

from detectory.core.checkpoint.safe_arrays import STAND_INS, resolve_arrays

_ALLOWED = {
    "builtins": {"bytearray", "complex", "frozenset", "set", "slice"},
    "__builtin__": {"bytearray", "complex", "frozenset", "set", "slice"},
    "collections": {"OrderedDict"},
    "torch": {"Size", "device"},
    "torch._utils": {"_rebuild_parameter", "_rebuild_tensor", "_rebuild_tensor_v2"},
    "torch.nn.parameter": {"Parameter"},
}
# What a file can make the allowed functions raise.
_FAULTS: tuple[type[Exception], ...] = (EOFError, pickle.UnpicklingError, ValueError, TypeError, LookupError)
_FAULTS += (AttributeError, RuntimeError, ArithmeticError, AssertionError, MemoryError)


class RefusedPickleError(pickle.UnpicklingError):
    """A pickle wants to call something that is neither an array, a tensor nor a plain container."""


class _RestrictedUnpickler(pickle.Unpickler):
    """Looks names up in a fixed list instead of importing what the file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage_from_bytes
        if stand_in := STAND_INS.get(f"{module}.{name}"):
            return stand_in
        if name in _ALLOWED.get(module, ()):
            return getattr(importlib.import_module({"__builtin__": "builtins"}.get(module, module)), name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise RefusedPickleError(f"the file wants to use '{module}.{name}', which is no array, tensor or container")

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedPickleError(f"the file refers to an object outside of it: {pid!r}")


def load_pickle(file: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Read a pickle of numbers, strings, containers, NumPy arrays and torch tensors; no code of the file runs.

    Strings that Python 2 wrote are read as Latin-1, as NumPy's own arrays of that time need it.

    Args:
        file: A path or an open binary file.

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
        return resolve_arrays(_RestrictedUnpickler(file, encoding="latin1").load())
    except RefusedPickleError as error:
        raise RefusedPickleError(f"load_pickle: {name} is refused: {error}") from error
    except _FAULTS as error:
        raise pickle.UnpicklingError(f"load_pickle: {name} is no pickle or is damaged: {error!r:.200}") from error


def _storage_from_bytes(content: bytes) -> Any:
    # The name that pickled tensors ask for loads with code execution; this one does not.
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
