"""Recording of constructor calls, so that a model built from a config can be described without the config."""

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from torch import nn

#: Constructors in these packages are not recorded; `describe` handles their objects by type.
_EXCLUDED_PACKAGES = ("torch", "numpy", "omegaconf", "builtins", "collections", "threading", "logging")


@dataclass
class Call:
    """A call with its arguments.

    Attributes:
        target: The class, function or method, or its dotted path.
        arguments: Arguments by name.
        result: The returned object; None for calls that are described but not made.
    """

    target: Callable[..., Any] | str
    arguments: dict[str, Any]
    result: Any = None


class CallRecorder:
    """Context manager that records the outermost constructor call of every object created by Python code.

    A class of `detectory.compat` is recorded as the library class that it extends; both take the same arguments.

    Args:
        functions: Functions and methods whose calls are recorded too, e.g. one that returns a list of blocks.

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
        # Keyed by id: every call keeps its result alive, so ids are not reused.
        self._calls: dict[int, Call] = {}
        self._running: dict[int, Call] = {}

    def __enter__(self) -> "CallRecorder":
        self._previous_profiler = sys.getprofile()
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._previous_profiler)

    def call_of(self, value: Any) -> Call | None:
        """Return the call that created an object, or None if it was not recorded.

        If the blocks of an `nn.Sequential` come from one of the functions, the call of that function is returned.
        """
        if id(value) in self._calls:
            return self._calls[id(value)]
        if isinstance(value, nn.Sequential):
            children = list(value)
            for call in self._calls.values():
                if isinstance(call.result, list) and list(map(id, call.result)) == list(map(id, children)):
                    return call
        return None

    def _on_event(self, frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__init__" and code.co_argcount:
            self._record_constructor(frame)
        elif code in self._functions:
            if event == "call":
                self._running[id(frame)] = Call(self._functions[code], _arguments(frame))
            elif event == "return" and result is not None and id(frame) in self._running:
                call = self._running.pop(id(frame))
                call.result = result
                self._calls[id(result)] = call

    def _record_constructor(self, frame: FrameType) -> None:
        if str(frame.f_globals.get("__name__", "")).split(".")[0] in _EXCLUDED_PACKAGES:
            return
        arguments = _arguments(frame)
        instance = arguments.pop(frame.f_code.co_varnames[0])
        # The subclass's __init__ runs first; the calls of super().__init__ that follow are not what the caller wrote.
        if id(instance) not in self._calls:
            self._calls[id(instance)] = Call(library_class(type(instance)), arguments, instance)


def library_class(cls: type) -> type:
    """Return the library class of an object: the first base class that is not in `detectory.compat`.

    A class that cannot extend the library's, because TorchScript does not support inheritance, names it in
    `library_class`.
    """
    named = getattr(cls, "library_class", None)
    return named or next(base for base in cls.__mro__ if not base.__module__.startswith("detectory.compat."))


def _arguments(frame: FrameType) -> dict[str, Any]:
    """Return the arguments of the function that runs in a frame; `**kwargs` are merged in, `*args` are left out."""
    code, values = frame.f_code, dict(frame.f_locals)
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    variadic = code.co_varnames[count:]
    if code.co_flags & inspect.CO_VARARGS:
        variadic = variadic[1:]
    arguments = {name: values[name] for name in names if name in values}
    if code.co_flags & inspect.CO_VARKEYWORDS:
        arguments |= values.get(variadic[0], {})
    return arguments
