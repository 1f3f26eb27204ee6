"""NumPy's arrays in pickles, rebuilt from parts that were checked first.

The functions of NumPy that a pickle names trust what they are given: a damaged or hostile file makes them write where
they must not, and the process dies. The stand-ins here only take down what the file says of an array; `resolve_arrays`
then makes the arrays from it.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

# Booleans, integers, floats, complex numbers, byte strings, text: nothing that holds objects.
_KINDS = "biufcSU"
_SCALARS: tuple[str, ...] = ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_SCALARS += ("float16", "float32", "float64", "longdouble", "complex64", "complex128", "str_", "bytes_", "longlong")
_SCALARS += ("ulonglong", "intc", "uintc")


class ArrayFault(ValueError):
    """What a pickle says of an array does not make one."""


class PickledType:
    """What a pickle says of a dtype: its code such as `f4`, and its byte order."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code
        self.order: Literal["<", ">", "=", "|"] = "="

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) > 4 and state[1] in ("<", ">", "=", "|")):
            raise ArrayFault(f"an array's dtype has the state {state!r:.80}")
        if state[2] is not None or state[3] is not None or state[4] is not None:
            raise ArrayFault("an array has fields or a sub-array as dtype; only plain numbers and text are read")
        self.order = state[1]

    def dtype(self) -> np.dtype:
        """Return the dtype.

        Raises:
            ArrayFault: it is none of numbers, booleans, byte strings or text.
        """
        if isinstance(self.code, str) and self.code[:1] in _KINDS and self.code[1:].isdigit() and len(self.code) < 10:
            with contextlib.suppress(TypeError, ValueError):
                return np.dtype(self.code).newbyteorder(self.order)
        raise ArrayFault(f"an array has the dtype {self.code!r:.40}; only numbers, booleans and text are read")


class PickledArray:
    """What a pickle says of an array: shape, dtype, order and bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array, which owns its memory.

        Raises:
            ArrayFault: the parts do not fit each other.
        """
        if not (isinstance(self.state, tuple) and len(self.state) == 5):
            raise ArrayFault("an array has no values")
        _, shape, pickled_type, fortran, raw = self.state
        if isinstance(raw, str):  # what Python 2 wrote, read as Latin-1
            raw = raw.encode("latin1")
        return _array(raw, pickled_type, shape, "F" if fortran else "C")


class PickledBuffer:
    """What a pickle of protocol 5 says of an array."""

    def __init__(self, raw: Any = b"", pickled_type: Any = None, shape: Any = (), order: Any = "C", *_: Any) -> None:
        self.parts = raw, pickled_type, shape, order

    def array(self) -> np.ndarray:
        """Return the array; raises as `PickledArray.array`."""
        return _array(*self.parts)


class PickledScalar:
    """What a pickle says of a single number of NumPy."""

    def __init__(self, pickled_type: Any = None, raw: Any = b"", *_: Any) -> None:
        self.parts = pickled_type, raw

    def array(self) -> Any:
        """Return the number; raises as `PickledArray.array`."""
        pickled_type, raw = self.parts
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        return _array(raw, pickled_type, (), "C")[()]


class _ArrayType:
    """Stands for the class of arrays, which pickles pass to `_reconstruct`."""


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    """Bytes, as protocol 2 writes them: text in Latin-1."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ArrayFault(f"bytes are written in the encoding {encoding!r:.40}; expected latin1")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    """The empty byte string, which protocol 2 writes as a call of its class."""
    if arguments:
        raise ArrayFault("bytes are made from arguments")
    return b""


def _reconstruct(*_: Any) -> PickledArray:
    return PickledArray()


_MULTIARRAY: dict[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": PickledScalar,
    "numeric._frombuffer": PickledBuffer,
}
#: Name in a pickle -> what stands in for it. NumPy 2 moved `numpy.core` to `numpy._core`.
STAND_INS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encode,
    "__builtin__.bytes": _no_bytes,
    "builtins.bytes": _no_bytes,
    "numpy.dtype": PickledType,
    "numpy.ndarray": _ArrayType,
    **{f"numpy.{core}.{name}": stand_in for core in ("core", "_core") for name, stand_in in _MULTIARRAY.items()},
    **{f"numpy.{name}": getattr(np, name) for name in _SCALARS},
}
# What torch's own reader must also know, to let the stand-ins take their state.
_OWN = [PickledType, PickledArray]


def torch_safe_globals() -> list[Any]:
    """Return what `torch.serialization.safe_globals` takes, so that `torch.load` uses the stand-ins."""
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefdFDSU"]
    return [*((stand_in, name) for name, stand_in in STAND_INS.items()), *_OWN, *set(dtypes)]


def resolve_arrays(content: Any) -> Any:
    """Put arrays where the stand-ins are, in dictionaries and lists in place; return the content.

    Raises:
        ArrayFault: what the pickle says of an array does not make one.
    """
    return _resolve(content, {})


def _resolve(value: Any, made: dict[int, Any]) -> Any:
    if isinstance(value, (PickledArray, PickledBuffer, PickledScalar)):
        if id(value) not in made:
            made[id(value)] = value.array()
        return made[id(value)]
    if isinstance(value, PickledType):
        return value.dtype()
    if isinstance(value, (dict, list)) and id(value) not in made:
        made[id(value)] = value
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in list(items):
            resolved = _resolve(item, made)
            if resolved is not item:
                value[key] = resolved
    if type(value) is tuple:
        return tuple(_resolve(item, made) for item in value)
    return value


def _array(raw: Any, pickled_type: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(pickled_type, PickledType):
        raise ArrayFault(f"an array has a {type(pickled_type).__name__} as dtype")
    dtype = pickled_type.dtype()
    sizes = (shape,) if isinstance(shape, int) else shape
    if not (isinstance(sizes, tuple) and len(sizes) <= 32 and all(type(n) is int and n >= 0 for n in sizes)):
        raise ArrayFault(f"an array has the shape {shape!r:.80}")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(sizes) * dtype.itemsize:
        raise ArrayFault(f"an array of shape {sizes} and dtype {dtype} comes with other than its bytes")
    if order not in ("C", "F"):
        raise ArrayFault(f"an array has the order {order!r:.20}")
    return np.frombuffer(bytes(raw), dtype).reshape(sizes, order=order).copy(order=order)
