"""Import machinery that makes a module available under a second name."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

from detectory.compat.detectron2._imported_names import add_imported_names


class AliasLoader(importlib.abc.Loader):
    """Loader that returns an already importable module under a second name."""

    def __init__(self, alias: str, target: str) -> None:
        self._alias = alias
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Import the target."""
        module = importlib.import_module(self._target)
        # The import system overwrites the module's __spec__ with that of the alias, so the loader keeps the original.
        self._own = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the attributes of the target and register its submodules."""
        module.__spec__, module.__loader__, module.__package__ = self._own
        add_imported_names(self._alias, module)
        bind_submodules(self._alias, self._target)


class AliasFinder(importlib.abc.MetaPathFinder):
    """Finder that maps `<alias>.x.y` to `<target>.x.y`, the same module object under both names.

    Args:
        aliases: Dotted names of targets by dotted alias.
    """

    def __init__(self, aliases: dict[str, str]) -> None:
        self.aliases = aliases

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of an alias, or None for other names and missing targets."""
        del path, target
        alias = fullname
        while alias not in self.aliases:
            alias = alias.rpartition(".")[0]
            if not alias:
                return None
        name = self.aliases[alias] + fullname.removeprefix(alias)
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        found = importlib.machinery.ModuleSpec(fullname, AliasLoader(fullname, name), origin=spec.origin)
        found.submodule_search_locations = spec.submodule_search_locations
        return found


def bind_submodules(alias: str, target: str) -> None:
    """Register all loaded submodules of a package under the alias.

    A first import through the alias would otherwise set each submodule as an attribute of its parent and thereby
    replace a function of the same name, such as `layers.nms`.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{target}."):
            known_as = alias + name.removeprefix(target)
            sys.modules.setdefault(known_as, module)
            add_imported_names(known_as, module)
