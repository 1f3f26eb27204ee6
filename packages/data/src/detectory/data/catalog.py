"""Datasets and their metadata by name."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from detectory.core.suggestions import nearest
from detectory.core.text import short_repr


class _DatasetCatalog:
    """Names of datasets and the functions that load them.

    A function returns `list[dict]`, the same items in the same order at every call. The built-in datasets
    (`coco_2017_train`, …) register themselves at the first look-up, under the folder that
    `$DETECTORY_DATASETS` or `$DETECTRON2_DATASETS` names at that time, else `./datasets`.
    """

    def __init__(self) -> None:
        self._loaders: dict[str, Callable[[], Sequence[dict]]] = {}
        self._has_builtin = False

    def _known(self) -> dict[str, Callable[[], Sequence[dict]]]:
        """All loaders, the built-in ones included; a name that a person registered before stays theirs."""
        if not self._has_builtin:
            from .builtin.definitions import builtin_loaders

            self._has_builtin = True
            self._loaders = {**builtin_loaders(), **self._loaders}
        return self._loaders

    def register(self, name: str, func: Callable[[], Sequence[dict]]) -> None:
        """Tell how to load a dataset.

        Args:
            name: For example `"my_dataset_train"`.
            func: Takes nothing, returns the items; it is called each time somebody asks for them.

        Raises:
            TypeError: `func` cannot be called.
            ValueError: The name is taken.
        """
        if not callable(func):
            raise TypeError(f"DatasetCatalog.register: func must be callable, got {type(func).__name__}")
        if name in self._loaders:
            raise ValueError(f"DatasetCatalog.register: dataset {name!r} is already registered")
        self._loaders[name] = func

    def get(self, name: str) -> Sequence[dict]:
        """Load a dataset.

        Returns:
            What the registered function returns: a list of dicts; for COCO files of more than 32 MiB a list-like object
            that makes each dict when it is asked for.

        Raises:
            KeyError: Nobody registered the name; the message lists the nearest ones.
        """
        loaders = self._known()
        if name not in loaders:
            raise KeyError(f"DatasetCatalog: dataset {name!r} is not registered: {nearest(name, loaders)}")
        return loaders[name]()

    def list(self) -> list[str]:
        """Return the names that are registered."""
        return list(self._known())

    def remove(self, name: str) -> None:
        """Forget a dataset.

        Raises:
            KeyError: Nobody registered the name.
        """
        loaders = self._known()
        if name not in loaders:
            raise KeyError(f"DatasetCatalog.remove: dataset {name!r} is not registered: {nearest(name, loaders)}")
        del loaders[name]

    pop = remove

    def clear(self) -> None:
        """Forget all datasets, the built-in ones too."""
        self._known().clear()

    def __contains__(self, name: str) -> bool:
        """Whether the name is registered."""
        return name in self._known()

    def __iter__(self) -> Iterator[str]:
        """Go through the registered names."""
        return iter(self.list())

    def keys(self) -> Iterable[str]:
        """Return the registered names."""
        return self.list()

    def __len__(self) -> int:
        """Count the registered names."""
        return len(self._known())

    def __repr__(self) -> str:
        return f"DatasetCatalog({', '.join(sorted(self._known()))})"

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

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        known = sorted(self.__dict__)
        raise AttributeError(f"metadata of dataset {self.name!r} has no attribute {key!r}: {nearest(key, known)}")

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self.__dict__ and self.__dict__[key] != value:
            raise ValueError(
                f"metadata of dataset {self.name!r}: attribute {key!r} "
                f"is already {short_repr(self.__dict__[key], 200)}, "
                f"it cannot become {short_repr(value, 200)}; use another dataset name"
            )
        super().__setattr__(key, value)

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


class _MetadataCatalog:
    """The metadata of datasets by name; there is one object for each name, made at the first `get`."""

    def __init__(self) -> None:
        self._metadata: dict[str, Metadata] = {}

    def get(self, name: str) -> Metadata:
        """Return the metadata of a dataset, empty at first for a name that nobody used before."""
        if not name:
            raise ValueError("MetadataCatalog.get: the name of a dataset must not be empty")
        if name not in self._metadata:
            from .builtin.definitions import builtin_metadata

            self._metadata[name] = Metadata(name=name, **builtin_metadata(name))
        return self._metadata[name]

    def list(self) -> list[str]:
        """Return the names that have metadata."""
        return list(self._metadata)

    def remove(self, name: str) -> None:
        """Forget the metadata of a dataset.

        Raises:
            KeyError: There are none.
        """
        if name not in self._metadata:
            raise KeyError(f"MetadataCatalog.remove: no metadata of {name!r}: {nearest(name, self._metadata)}")
        del self._metadata[name]

    pop = remove

    def clear(self) -> None:
        """Forget all metadata."""
        self._metadata.clear()

    def __contains__(self, name: str) -> bool:
        """Whether there are metadata of this name already."""
        return name in self._metadata

    def __iter__(self) -> Iterator[str]:
        """Go through the names that have metadata."""
        return iter(list(self._metadata))

    def __len__(self) -> int:
        """Count the names that have metadata."""
        return len(self._metadata)

    def __repr__(self) -> str:
        return f"MetadataCatalog({', '.join(sorted(self._metadata))})"

    __str__ = __repr__


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
