"""Notes with which arguments objects were made, so that what a config builds can be described without the config."""

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from torch import nn

#: Objects of these packages are described by what they are made of, not by how they were made.
_FOREIGN = ("torch", "numpy", "omegaconf", "builtins", "collections", "threading", "logging")


@dataclass
class Call:
    """A call that was made.

    Attributes:
        target: The class, function or method; or its dotted path.
        arguments: By name.
        made: What the call gave; None for a call that is only described.
    """

    target: Callable[..., Any] | str
    arguments: dict[str, Any]
    made: Any = None


class CallRecorder:
    """Within its context, remembers the outermost constructor call of every object that Python code makes.

    A class of `detectory.compat` counts as the class of the library that it builds on: both take the same arguments.

    Args:
        functions: Functions and methods whose results are remembered too, e.g. one that returns a list of blocks.

    Example:
        >>> from detectory.modeling.matcher import Matcher
        >>> with CallRecorder() as recorder:
        ...     matcher = Matcher([0.5], [0, 1])
        >>> recorder.call_of(matcher).arguments["thresholds"]
        [0.5]
    """

    def __init__(self, functions: Iterable[Callable[..., Any]] = ()) -> None:
        self._functions: dict[CodeType, Callable[..., Any]] = {}
        for function in functions:
            self._functions[inspect.unwrap(getattr(function, "__func__", function)).__code__] = function
        self._calls: dict[int, Call] = {}
        self._running: dict[int, Call] = {}

    def __enter__(self) -> "CallRecorder":
        self._before = sys.getprofile()
        sys.setprofile(self._notice)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def call_of(self, value: Any) -> Call | None:
        """Return the call that made an object, or None where none was seen.

        The blocks of an `nn.Sequential` were perhaps made by one of the functions: then that call is returned.
        """
        if id(value) in self._calls:
            return self._calls[id(value)]
        if isinstance(value, nn.Sequential):
            children = list(value)
            for call in self._calls.values():
                if isinstance(call.made, list) and list(map(id, call.made)) == list(map(id, children)):
                    return call
        return None

    def _notice(self, frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__init__" and code.co_argcount:
            self._notice_constructor(frame)
        elif code in self._functions:
            if event == "call":
                self._running[id(frame)] = Call(self._functions[code], _arguments(frame))
            elif event == "return" and result is not None and id(frame) in self._running:
                call = self._running.pop(id(frame))
                call.made = result
                self._calls[id(result)] = call

    def _notice_constructor(self, frame: FrameType) -> None:
        if str(frame.f_globals.get("__name__", "")).split(".")[0] in _FOREIGN:
            return
        arguments = _arguments(frame)
        made = arguments.pop(frame.f_code.co_varnames[0])
        # A constructor that runs inside that of a subclass is not what the caller wrote.
        if id(made) not in self._calls:
            self._calls[id(made)] = Call(library_class(type(made)), arguments, made)


def library_class(kind: type) -> type:
    """Return the first class in the order of resolution that is not one of `detectory.compat`."""
    return next(base for base in kind.__mro__ if not base.__module__.startswith("detectory.compat."))


def _arguments(frame: FrameType) -> dict[str, Any]:
    code, values = frame.f_code, dict(frame.f_locals)
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    extra = code.co_varnames[count:]
    if code.co_flags & inspect.CO_VARARGS:
        extra = extra[1:]
    found = {name: values[name] for name in names if name in values}
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found |= values.get(extra[0], {})
    return found
