"""Reconstruction of NumPy arrays from pickles, with validation of every part.

NumPy's own reconstruction functions trust their arguments: a corrupt or malicious pickle can make them write out of
bounds and crash the process. The stand-ins in this module only record what the pickle specifies; `resolve_arrays` then
validates the parts and builds the arrays.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

# Booleans, integers, floats, complex numbers, byte strings and text; no dtype that holds Python objects.
_DTYPE_CODES = "biufcSU"
_SCALARS: tuple[str, ...] = ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_SCALARS += ("float16", "float32", "float64", "longdouble", "complex64", "complex128", "str_", "longlong")
_SCALARS += ("ulonglong", "intc", "uintc")


class InvalidArrayError(ValueError):
    """A pickle's description of an array is invalid."""


class PickledType:
    """A pickled dtype: its code, such as `f4`, and its byte order."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code
        self.order: Literal["<", ">", "=", "|"] = "="

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) > 4 and state[1] in ("<", ">", "=", "|")):
            raise InvalidArrayError(f"the state {state!r:.80} of an array's dtype is invalid")
        if state[2] is not None or state[3] is not None or state[4] is not None:
            raise InvalidArrayError(
                "an array has a structured or sub-array dtype; only plain numbers and text are supported"
            )
        self.order = state[1]

    def dtype(self) -> np.dtype:
        """Return the dtype.

        Raises:
            InvalidArrayError: If the dtype is not numeric, boolean, bytes or text.
        """
        if (
            isinstance(self.code, str)
            and self.code[:1] in _DTYPE_CODES
            and self.code[1:].isdigit()
            and len(self.code) < 10
        ):
            with contextlib.suppress(TypeError, ValueError):
                return np.dtype(self.code).newbyteorder(self.order)
        raise InvalidArrayError(f"an array has dtype {self.code!r:.40}; only numbers, booleans and text are supported")


class PickledArray:
    """A pickled array: shape, dtype, order and bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    @property
    def raw(self) -> Any:
        """The bytes, or None without a state."""
        return self.state[-1] if isinstance(self.state, tuple) and self.state else None

    def array(self) -> np.ndarray:
        """Return the array, which owns its memory.

        Raises:
            InvalidArrayError: If the parts are inconsistent.
        """
        if not (isinstance(self.state, tuple) and len(self.state) == 5):
            raise InvalidArrayError("an array has no data")
        _, shape, pickled_type, fortran, raw = self.state
        if isinstance(raw, str):  # written by Python 2 and decoded as Latin-1
            raw = raw.encode("latin1")
        return _array(raw, pickled_type, shape, "F" if fortran else "C")


class PickledBuffer:
    """A pickled array of protocol 5."""

    def __init__(self, raw: Any = b"", pickled_type: Any = None, shape: Any = (), order: Any = "C", *_: Any) -> None:
        self.parts = raw, pickled_type, shape, order
        self.raw = raw

    def array(self) -> np.ndarray:
        """Return the array. Raises the same errors as `PickledArray.array`."""
        return _array(*self.parts)


class PickledScalar:
    """A pickled NumPy scalar."""

    def __init__(self, pickled_type: Any = None, raw: Any = b"", *_: Any) -> None:
        self.parts = pickled_type, raw
        self.raw = raw

    def array(self) -> Any:
        """Return the scalar. Raises the same errors as `PickledArray.array`."""
        pickled_type, raw = self.parts
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        return _array(raw, pickled_type, (), "C")[()]


class _ArrayType:
    """Stand-in for `numpy.ndarray`, which pickles pass to `_reconstruct`."""


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    """Encode bytes, which protocol 2 writes as Latin-1 text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise InvalidArrayError(f"bytes have the encoding {encoding!r:.40}, expected latin1")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    """Return the empty byte string, which protocol 2 writes as a call of `bytes`."""
    if arguments:
        raise InvalidArrayError("bytes are constructed with arguments")
    return b""


def _byte_array(content: Any = b"", encoding: Any = "latin1", *_: Any) -> bytearray:
    """Return a byte array of existing bytes. `bytearray` itself also allocates any number of bytes."""
    return bytearray(_byte_string(content) if isinstance(content, bytes) else _encode(content, encoding))


def _byte_string(content: Any = b"", *_: Any) -> bytes:
    if not isinstance(content, bytes):
        raise InvalidArrayError(f"bytes are constructed from {content!r:.40}")
    return content


def _reconstruct(*_: Any) -> PickledArray:
    return PickledArray()


_MULTIARRAY: dict[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": PickledScalar,
    "numeric._frombuffer": PickledBuffer,
}
#: Global name in a pickle -> stand-in. NumPy 2 moved `numpy.core` to `numpy._core`.
STAND_INS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encode,
    "__builtin__.bytes": _no_bytes,
    "builtins.bytes": _no_bytes,
    "__builtin__.bytearray": _byte_array,
    "builtins.bytearray": _byte_array,
    "numpy.dtype": PickledType,
    "numpy.ndarray": _ArrayType,
    **{f"numpy.{core}.{name}": stand_in for core in ("core", "_core") for name, stand_in in _MULTIARRAY.items()},
    **{f"numpy.{name}": getattr(np, name) for name in _SCALARS},
    "numpy.bytes_": _byte_string,
}
# torch's weights-only unpickler must allow these classes to set their state.
_OWN = [PickledType, PickledArray]


def torch_safe_globals() -> list[Any]:
    """Return the globals to pass to `torch.serialization.safe_globals` so that `torch.load` uses the stand-ins."""
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefdFDSU"]
    return [*((stand_in, name) for name, stand_in in STAND_INS.items()), *_OWN, *set(dtypes)]


def resolve_arrays(content: Any) -> Any:
    """Replace stand-ins by arrays, in dictionaries and lists in place, and return the content.

    Raises:
        InvalidArrayError: If the description of an array is invalid.
    """
    return _resolve(content, {})


def _resolve(value: Any, done: dict[int, Any]) -> Any:
    # `done` maps ids to results: it preserves sharing between references and ends the recursion at cycles.
    if isinstance(value, (PickledArray, PickledBuffer, PickledScalar)):
        if id(value) not in done:
            # Every array of a pickle has its own bytes. Many arrays of the same bytes would multiply the memory.
            if isinstance(value.raw, (bytes, bytearray, str)) and len(value.raw) > 1:
                if id(value.raw) in done:
                    raise InvalidArrayError("two arrays share their data")
                done[id(value.raw)] = value.raw
            done[id(value)] = value.array()
        return done[id(value)]
    if isinstance(value, PickledType):
        return value.dtype()
    if isinstance(value, (dict, list)) and id(value) not in done:
        done[id(value)] = value
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in list(items):
            resolved = _resolve(item, done)
            if resolved is not item:
                value[key] = resolved
    if type(value) is tuple:
        # Resolved once: the number of paths to shared tuples grows exponentially with their depth.
        if id(value) not in done:
            parts = tuple(_resolve(item, done) for item in value)
            changed = any(new is not old for new, old in zip(parts, value, strict=True))
            done[id(value)] = parts if changed else value
        return done[id(value)]
    return value


def _array(raw: Any, pickled_type: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(pickled_type, PickledType):
        raise InvalidArrayError(f"an array has a {type(pickled_type).__name__} as its dtype")
    dtype = pickled_type.dtype()
    sizes = (shape,) if isinstance(shape, int) else shape
    if not (isinstance(sizes, tuple) and len(sizes) <= 32 and all(type(n) is int and n >= 0 for n in sizes)):
        raise InvalidArrayError(f"an array has the invalid shape {shape!r:.80}")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(sizes) * dtype.itemsize:
        raise InvalidArrayError(f"the data size does not match an array of shape {sizes} and dtype {dtype}")
    if order not in ("C", "F"):
        raise InvalidArrayError(f"an array has the invalid order {order!r:.20}")
    return np.frombuffer(bytes(raw), dtype).reshape(sizes, order=order).copy(order=order)
