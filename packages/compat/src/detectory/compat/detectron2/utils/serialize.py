"""Objects that pickle cannot take, carried to other processes."""

from typing import Any

__all__ = ["PicklableWrapper"]


class PicklableWrapper:
    """Wrap an object, such as a lambda, so that it pickles by way of `cloudpickle`.

    The wrapper behaves as the object: calls and attributes go to it.

    Args:
        obj: The object.
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
            raise ImportError("PicklableWrapper needs cloudpickle: pip install cloudpickle") from error
        return cloudpickle.loads, (cloudpickle.dumps(self._obj),)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object."""
        return self._obj(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_obj":
            raise AttributeError(name)
        return getattr(self._obj, name)
