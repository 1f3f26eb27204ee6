"""Restricted unpickler for arrays, tensors and plain containers.

Unpickling calls whatever callables the file names, so an unrestricted `pickle.load` can run arbitrary code. This
unpickler resolves names against a fixed allow-list and never imports anything that a file requests.

Source: Python documentation, `pickle`, "Restricting Globals".
"""

import importlib
import io
import os
import pickle
from typing import IO, Any

import torch

from detectory.core.checkpoint.safe_arrays import STAND_INS, resolve_arrays
from detectory.core.checkpoint.size_limits import check_pickle_sizes, check_torch_sizes

_ALLOWED = {
    "builtins": {"complex", "frozenset", "set", "slice"},
    "__builtin__": {"complex", "frozenset", "set", "slice"},
    "collections": {"OrderedDict"},
    "torch": {"Size", "device"},
    "torch._utils": {"_rebuild_parameter", "_rebuild_tensor", "_rebuild_tensor_v2"},
    "torch.nn.parameter": {"Parameter"},
}
# Exceptions that the allowed functions can raise for a corrupt file.
_LOAD_ERRORS: tuple[type[Exception], ...] = (EOFError, pickle.UnpicklingError, ValueError, TypeError, LookupError)
_LOAD_ERRORS += (AttributeError, RuntimeError, ArithmeticError, AssertionError, MemoryError)


class RefusedPickleError(pickle.UnpicklingError):
    """A pickle references a global that is not an array, a tensor or a plain container."""


class _RestrictedUnpickler(pickle.Unpickler):
    """Resolves globals from an allow-list instead of importing them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage_from_bytes
        if stand_in := STAND_INS.get(f"{module}.{name}"):
            return stand_in
        if name in _ALLOWED.get(module, ()):
            return getattr(importlib.import_module({"__builtin__": "builtins"}.get(module, module)), name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise RefusedPickleError(f"global '{module}.{name}' is not an array, tensor or container")

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedPickleError(f"persistent id {pid!r} refers to an object outside of the file")


def load_pickle(file: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Read a pickle of numbers, strings, containers, NumPy arrays and torch tensors without executing its code.

    Strings written by Python 2 are decoded as Latin-1, which NumPy arrays of that time require. A file that states
    larger sizes than it contains is refused before memory is allocated.

    Args:
        file: A path or an open binary file.

    Raises:
        RefusedPickleError: If the file references any other global; the message names the file and the global.
        pickle.UnpicklingError: If the file is not a pickle or is truncated.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _load(file, getattr(file, "name", "the pickle"))
    with open(file, "rb") as opened:
        return _load(opened, os.fspath(file))


def _load(file: IO[bytes], name: str) -> Any:
    try:
        if not file.seekable():
            file = io.BytesIO(file.read())
        check_pickle_sizes(file)
        return resolve_arrays(_RestrictedUnpickler(file, encoding="latin1").load())
    except RefusedPickleError as error:
        raise RefusedPickleError(f"load_pickle: {name} was refused: {error}") from error
    except _LOAD_ERRORS as error:
        reason = f": {error!s:.200}" if isinstance(error, (ValueError, TypeError)) else ""
        raise pickle.UnpicklingError(f"load_pickle: {name} is not a pickle, or is corrupt{reason}") from error


def _storage_from_bytes(content: bytes) -> Any:
    # Pickled tensors name `torch.storage._load_from_bytes`, which loads with weights_only=False.
    file = io.BytesIO(content)
    check_torch_sizes(file)
    return torch.load(file, map_location="cpu", weights_only=True)
