"""Datasets and their metadata by name."""

from collections import UserDict
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from detectory.core.suggestions import nearest
from detectory.core.text import short_repr


class AlreadyRegisteredError(ValueError, AssertionError):
    """A name or attribute already has another value. Also an `AssertionError`, which Detectron2's users catch."""


class _DatasetCatalog(UserDict):
    """Names of datasets and the functions that load them.

    A function returns `list[dict]`, the same items in the same order at every call. The built-in datasets
    (`coco_2017_train`, …) register themselves at the first look-up, under the folder that
    `$DETECTORY_DATASETS` or `$DETECTRON2_DATASETS` names at that time, else `./datasets`.
    """

    def __init__(self) -> None:
        self._loaders: dict[str, Callable[[], Sequence[dict]]] = {}
        self._has_builtin = False
        self._used: set[str] = set()

    @property
    def data(self) -> dict[str, Callable[[], Sequence[dict]]]:  # type: ignore[override]
        """All loaders, including those of the built-in datasets; explicitly registered names take precedence."""
        if not self._has_builtin:
            from .builtin.definitions import builtin_loaders

            self._has_builtin = True
            self._builtin = builtin_loaders()
            self._loaders = {**self._builtin, **self._loaders}
        return self._loaders

    def register(self, name: str, func: Callable[[], Sequence[dict]]) -> None:
        """Register the loader of a dataset.

        A built-in dataset that was not loaded yet can be replaced.

        Args:
            name: Name such as `"my_dataset_train"`.
            func: Function without arguments that returns the items; called on every `get`.

        Raises:
            TypeError: If `func` is not callable.
            ValueError: If the name is already registered.
        """
        if not callable(func):
            raise TypeError(f"DatasetCatalog.register: func must be callable, got {type(func).__name__}")
        if name in self._loaders and not self._is_unused_builtin(name):
            raise AlreadyRegisteredError(f"DatasetCatalog.register: dataset {name!r} is already registered")
        self._loaders[name] = func

    def _is_unused_builtin(self, name: str) -> bool:
        is_builtin = self._has_builtin and self._loaders[name] is self._builtin.get(name)
        return is_builtin and name not in self._used

    def get(self, name: str) -> Sequence[dict]:  # type: ignore[override]
        """Load a dataset.

        Returns:
            Return value of the registered function: a list of dictionaries, or for COCO files larger than 32 MiB a
            sequence that creates each dictionary on access.

        Raises:
            KeyError: If the name is not registered; the message lists the nearest names.
        """
        if name not in self.data:
            raise KeyError(f"DatasetCatalog: dataset {name!r} is not registered: {nearest(name, self.data)}")
        self._used.add(name)
        return self.data[name]()

    def list(self) -> list[str]:
        """Return the registered names."""
        return list(self.data)

    def remove(self, name: str) -> None:
        """Remove a dataset.

        Raises:
            KeyError: If the name is not registered.
        """
        if name not in self.data:
            raise KeyError(f"DatasetCatalog.remove: dataset {name!r} is not registered: {nearest(name, self.data)}")
        del self.data[name]

    def __repr__(self) -> str:
        return f"DatasetCatalog({', '.join(sorted(self.data))})"

    __str__ = __repr__


class Metadata(SimpleNamespace):
    """What is known about a whole dataset: class names, colours, files.

    Any attribute can be set once; setting it again to another value is an error, because metadata that differ in
    parts of a program make wrong results without a sign.

    Example:
        >>> MetadataCatalog.get("my_readme_dataset").thing_classes = ["person", "dog"]
        >>> MetadataCatalog.get("my_readme_dataset").thing_classes
        ['person', 'dog']
    """

    name: str = "N/A"
    __slots__ = ("_defaults",)  # attributes that may be replaced once; outside of __dict__, so not part of the metadata

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        known = sorted(self.__dict__)
        raise AttributeError(f"metadata of dataset {self.name!r} has no attribute {key!r}: {nearest(key, known)}")

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self.__dict__ and self.__dict__[key] != value and not self._replaces_default(key):
            raise AlreadyRegisteredError(
                f"metadata of dataset {self.name!r}: attribute {key!r} "
                f"is already {short_repr(self.__dict__[key], 200)}, "
                f"it cannot become {short_repr(value, 200)}; use another dataset name"
            )
        super().__setattr__(key, value)

    def _replaces_default(self, key: str) -> bool:
        try:
            defaults = object.__getattribute__(self, "_defaults")
        except AttributeError:
            return False
        is_default = key in defaults
        defaults.discard(key)
        return is_default

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of all attributes; changing it changes nothing here."""
        return dict(self.__dict__)

    def set(self, **kwargs: Any) -> "Metadata":
        """Set several attributes and return the metadata.

        Raises:
            ValueError: An attribute has another value already.
        """
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """Return an attribute, or `default` where it is not set."""
        return self.__dict__.get(key, default)


class _MetadataCatalog(UserDict):
    """The metadata of datasets by name; there is one object for each name, made at the first `get`."""

    def get(self, name: str) -> Metadata:  # type: ignore[override]
        """Return the metadata of a dataset; empty if the name is new and not that of a built-in dataset."""
        if not name:
            raise ValueError("MetadataCatalog.get: the name of a dataset must not be empty")
        if name not in self.data:
            from .builtin.definitions import builtin_metadata, is_replaceable

            self.data[name] = Metadata(name=name, **builtin_metadata(name))
            if is_replaceable(name):
                self.data[name]._defaults = set(self.data[name].__dict__) - {"name"}
        return self.data[name]

    def list(self) -> list[str]:
        """Return the names that have metadata."""
        return list(self.data)

    def remove(self, name: str) -> None:
        """Remove the metadata of a dataset.

        Raises:
            KeyError: If the name has no metadata.
        """
        if name not in self.data:
            raise KeyError(f"MetadataCatalog.remove: no metadata of {name!r}: {nearest(name, self.data)}")
        del self.data[name]

    def __repr__(self) -> str:
        return f"MetadataCatalog({', '.join(sorted(self.data))})"

    __str__ = __repr__


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
