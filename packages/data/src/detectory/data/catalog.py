"""Catalogs of datasets and their metadata by name: `DatasetCatalog` and `MetadataCatalog`."""

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from detectory.core.suggestions import nearest
from detectory.core.text import short_repr

DatasetLoader = Callable[[], Sequence[Any]]


class AlreadyRegisteredError(ValueError, AssertionError):
    """A name or attribute already has another value. Also an `AssertionError`, which Detectron2's users catch."""


class _DatasetCatalog(UserDict):
    """Functions that load datasets, by dataset name.

    Each function returns a list of dicts: the same dicts in the same order at every call.

    `detectory.data` adds the built-in datasets (`coco_2017_train`, …). Their paths are relative to
    `$DETECTORY_DATASETS`, `$DETECTRON2_DATASETS` or `./datasets`, the first that is set.
    """

    def __init__(self) -> None:
        self._loaders: dict[str, DatasetLoader] = {}
        self._providers: list[Callable[[], Mapping[str, DatasetLoader]]] = []
        self._provided: dict[str, DatasetLoader] = {}
        self._used: set[str] = set()

    def add_provider(self, provider: Callable[[], Mapping[str, DatasetLoader]]) -> None:
        """Add a function that returns many datasets at once; the catalog calls the function at the first lookup.

        Datasets registered with `register` take precedence over datasets of the same name from a provider.
        """
        self._providers.append(provider)

    @property
    def data(self) -> dict[str, DatasetLoader]:  # type: ignore[override]
        """All loaders, including those of the providers."""
        while self._providers:
            self._provided = {**self._provided, **self._providers.pop()()}
            self._loaders = {**self._provided, **self._loaders}
        return self._loaders

    def register(self, name: str, func: DatasetLoader) -> None:
        """Register a dataset. A built-in dataset that was not loaded yet is replaced.

        Args:
            name: The name of the dataset, for example `"my_dataset_train"`.
            func: A function without arguments that returns the dataset. `get` calls the function every time.

        Raises:
            TypeError: If `func` is not callable.
            ValueError: If a dataset with this name is already registered.
        """
        if not callable(func):
            raise TypeError(f"DatasetCatalog.register: func must be callable, got {type(func).__name__}")
        if name in self._loaders and not self._is_unused_builtin(name):
            raise AlreadyRegisteredError(f"DatasetCatalog.register: dataset {name!r} is already registered")
        self._loaders[name] = func

    def _is_unused_builtin(self, name: str) -> bool:
        return self._loaders[name] is self._provided.get(name) and name not in self._used

    def get(self, name: str) -> Sequence[Any]:  # type: ignore[override]
        """Load a dataset.

        Returns:
            The result of the registered function: a list of dicts, or for COCO files of 32 MiB and more a sequence
            that creates each dict on access.

        Raises:
            KeyError: If the dataset is not registered. The message suggests similar names.
        """
        if name not in self.data:
            raise KeyError(f"DatasetCatalog: dataset {name!r} is not registered: {nearest(name, self.data)}")
        self._used.add(name)
        return self.data[name]()

    def list(self) -> list[str]:
        """Return the names of all datasets."""
        return list(self.data)

    def remove(self, name: str) -> None:
        """Remove a dataset.

        Raises:
            KeyError: If the dataset is not registered.
        """
        if name not in self.data:
            raise KeyError(f"DatasetCatalog.remove: dataset {name!r} is not registered: {nearest(name, self.data)}")
        del self.data[name]

    def __repr__(self) -> str:
        return f"DatasetCatalog({', '.join(sorted(self.data))})"

    __str__ = __repr__


class Metadata(SimpleNamespace):
    """Metadata of a dataset: class names, colours, paths.

    An attribute can be set only once. Setting an attribute to a different value raises an error: if parts of a program
    used different class names or ids, the results would be wrong without any other sign.

    Example:
        >>> MetadataCatalog.get("my_readme_dataset").thing_classes = ["person", "dog"]
        >>> MetadataCatalog.get("my_readme_dataset").thing_classes
        ['person', 'dog']
    """

    __slots__ = ("_defaults",)  # attributes that may be replaced once; outside of __dict__, so not part of the metadata

    name: str = "N/A"

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        known = sorted(self.__dict__)
        raise AttributeError(f"metadata of dataset {self.name!r} has no attribute {key!r}: {nearest(key, known)}")

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self.__dict__ and self.__dict__[key] != value and not self._replaces_default(key):
            raise AlreadyRegisteredError(
                f"metadata of dataset {self.name!r}: attribute {key!r} is already set to "
                f"{short_repr(self.__dict__[key], 200)}, cannot change it to {short_repr(value, 200)}. "
                "Use a different dataset name."
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
        """Return the attributes as a new dict."""
        return dict(self.__dict__)

    def set(self, **kwargs: Any) -> "Metadata":
        """Set several attributes and return the metadata.

        Raises:
            ValueError: If an attribute is already set to a different value.
        """
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    def reset(self, *keys: str) -> None:
        """Remove attributes, so that they can be set to other values."""
        for key in keys:
            self.__dict__.pop(key, None)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an attribute, or `default` if the attribute is not set."""
        return self.__dict__.get(key, default)


class _MetadataCatalog(UserDict):
    """Metadata by dataset name, one `Metadata` object per name."""

    def __init__(self) -> None:
        super().__init__()
        self._providers: list[tuple[Callable[[str], Mapping[str, Any]], Callable[[str], bool]]] = []

    def add_provider(self, provider: Callable[[str], Mapping[str, Any]], is_replaceable: Callable[[str], bool]) -> None:
        """Add a source of initial metadata.

        Args:
            provider: Maps a dataset name to its initial metadata, an empty dict for unknown names.
            is_replaceable: Whether the initial attributes of a dataset may be replaced once.
        """
        self._providers.append((provider, is_replaceable))

    def get(self, name: str) -> Metadata:  # type: ignore[override]
        """Return the metadata of a dataset; a new name gets a new, empty `Metadata` object.

        Raises:
            ValueError: If the name is empty.
        """
        if not name:
            raise ValueError(f"MetadataCatalog.get: name must be a dataset name, got {name!r}")
        if name not in self.data:
            initial: dict[str, Any] = {}
            replaceable: set[str] = set()
            for provider, is_replaceable in self._providers:
                provided = provider(name)
                initial.update(provided)
                if is_replaceable(name):
                    replaceable.update(provided)
            self.data[name] = Metadata(name=name, **initial)
            self.data[name]._defaults = replaceable
        return self.data[name]

    def list(self) -> list[str]:
        """Return the names that have metadata."""
        return list(self.data)

    def remove(self, name: str) -> None:
        """Remove the metadata of a dataset.

        Raises:
            KeyError: If the dataset has no metadata.
        """
        if name not in self.data:
            raise KeyError(f"MetadataCatalog.remove: no metadata of dataset {name!r}: {nearest(name, self.data)}")
        del self.data[name]

    def __repr__(self) -> str:
        return f"MetadataCatalog({', '.join(sorted(self.data))})"

    __str__ = __repr__


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
