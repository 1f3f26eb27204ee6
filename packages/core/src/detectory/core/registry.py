"""Registry: a mapping from names to registered classes or functions."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from detectory.core.suggestions import nearest

Registered = TypeVar("Registered")


class Registry:
    """Maps names to registered objects, so that a config can refer to a class by name.

    Args:
        name: Name of the registry for error messages, such as `"BACKBONE"`.

    Example:
        >>> BACKBONES = Registry("BACKBONE")
        >>> @BACKBONES.register()
        ... class ToyBackbone:
        ...     pass
        >>> BACKBONES.get("ToyBackbone") is ToyBackbone
        True
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._obj_map: dict[str, Any] = {}

    def register(self, obj: Any = None, *, name: str | None = None) -> Any:
        """Register `obj` under `name`, by default its `__name__`. Without `obj`, return a decorator.

        Raises:
            ValueError: If another object is registered under the name.
        """
        if obj is None:
            return self._decorator(name)
        self._do_register(name or obj.__name__, obj)
        return obj

    def get(self, name: str) -> Any:
        """Return the object registered under `name`.

        Raises:
            KeyError: If the name is unknown; the message lists the most similar names.
        """
        if name not in self._obj_map:
            raise KeyError(f"registry '{self._name}': unknown name '{name}': {nearest(name, self._obj_map)}")
        return self._obj_map[name]

    def _decorator(self, name: str | None) -> Callable[[Registered], Registered]:
        def add(obj: Registered) -> Registered:
            self._do_register(name or cast("type", obj).__name__, obj)
            return obj

        return add

    def _do_register(self, name: str, obj: Any) -> None:
        if name in self._obj_map and self._obj_map[name] is not obj:
            raise ValueError(
                f"registry '{self._name}': name '{name}' is already registered for {self._obj_map[name]!r}, "
                f"cannot register {obj!r}"
            )
        self._obj_map[name] = obj

    def __contains__(self, name: object) -> bool:
        return name in self._obj_map

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._obj_map.items())

    def __len__(self) -> int:
        return len(self._obj_map)

    def __repr__(self) -> str:
        lines = [f"  {name}: {obj!r}" for name, obj in sorted(self._obj_map.items())]
        return "\n".join([f"Registry of {self._name}:", *lines])
