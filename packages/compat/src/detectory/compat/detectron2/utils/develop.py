"""Placeholders for names of optional dependencies."""

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["create_dummy_class", "create_dummy_func"]


def _explanation(name: str, dependency: str | list[str] | tuple[str, ...], message: str) -> str:
    packages = dependency if isinstance(dependency, str) else ", ".join(dependency)
    return f"cannot import '{packages}', therefore '{name}' is not available. {message}".rstrip()


def create_dummy_class(klass: str, dependency: str, message: str = "") -> type:
    """Return a class that raises an error naming the missing package on first use.

    Args:
        klass: Name of the class.
        dependency: Name of the missing package.
        message: Additional text of the error.
    """
    text = _explanation(klass, dependency, message)

    class _Absent(type):
        def __getattr__(cls, name: str) -> NoReturn:
            raise ImportError(text)

    class Absent(metaclass=_Absent):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError(text)

    return Absent


def create_dummy_func(func: str, dependency: str | list[str], message: str = "") -> Callable[..., NoReturn]:
    """Return a function that raises an error naming the missing package; see `create_dummy_class`."""
    text = _explanation(func, dependency, message)

    def absent(*_: Any, **__: Any) -> NoReturn:
        raise ImportError(text)

    return absent
