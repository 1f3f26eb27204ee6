"""Pickling of lambdas and closures for other processes."""

from typing import Any

__all__ = ["PicklableWrapper"]


class PicklableWrapper:
    """Wrapper that pickles an object, such as a lambda, with `cloudpickle`.

    Calls and attribute access are forwarded to the object.

    Args:
        obj: The object to wrap.
    """

    _obj: Any

    def __init__(self, obj: Any) -> None:
        while isinstance(obj, PicklableWrapper):
            obj = obj._obj
        self._obj = obj

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            import cloudpickle
        except ImportError as error:
            raise ImportError("PicklableWrapper: cloudpickle is not installed: pip install cloudpickle") from error
        return cloudpickle.loads, (cloudpickle.dumps(self._obj),)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapped object."""
        return self._obj(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_obj":
            raise AttributeError(name)
        return getattr(self._obj, name)
