"""Python source code of a recipe, generated from a tree of calls."""

import importlib
from typing import Any

from detectory.cli.configs.call_recorder import Call
from detectory.core.config import dotted_path, locate

_WIDTH = 110


class RecipeSource:
    """Assignments and the imports that they need.

    Args:
        docstring: Module docstring of the recipe.
    """

    def __init__(self, docstring: str) -> None:
        self._docstring = docstring
        self._imports: dict[str, tuple[str, str]] = {"LazyCall": ("detectory.core.config", "LazyCall")}
        self._assignments: list[str] = []

    def assign(self, name: str, value: Any) -> None:
        """Add the assignment `name = value`."""
        self._assignments.append(f"{name} = {self._expression(value, 0)}")

    def text(self) -> str:
        """Return the source of the file."""
        modules: dict[str, list[str]] = {}
        for alias, (module, name) in self._imports.items():
            modules.setdefault(module, []).append(name if alias == name else f"{name} as {alias}")
        imports = [_import_line(module, sorted(modules[module])) for module in sorted(modules)]
        parts = [f'"""{self._docstring}"""', "\n".join(imports), *self._assignments]
        return "\n\n".join(parts) + "\n"

    def _expression(self, value: Any, indent: int) -> str:
        if isinstance(value, Call):
            name = self._name(value.target)
            arguments = [f"{key}={self._expression(item, indent + 4)}" for key, item in value.arguments.items()]
            return _enclose(f"LazyCall({name})(", arguments, ")", indent)
        if isinstance(value, dict):
            items = [f"{_quoted(key)}: {self._expression(item, indent + 4)}" for key, item in value.items()]
            return _enclose("{", items, "}", indent)
        if isinstance(value, (list, tuple)):
            return _enclose("[", [self._expression(item, indent + 4) for item in value], "]", indent)
        if isinstance(value, (str, int, float, bool, type(None))):
            return _quoted(value) if isinstance(value, str) else repr(value)
        return self._name(value)

    def _name(self, target: Any) -> str:
        """Import a class or function, or the class of a method, and return the name to use in the source."""
        module, qualified = _public_path(target)
        imported, _, rest = qualified.partition(".")
        alias = imported
        while self._imports.setdefault(alias, (module, imported)) != (module, imported):
            alias = f"{alias}_"
        return f"{alias}.{rest}" if rest else alias


def _public_path(target: Any) -> tuple[str, str]:
    """Split the dotted path of a target into package and name, with the shortest package that exports the object."""
    target = locate(target) if isinstance(target, str) else target
    qualname = target.__qualname__
    module = dotted_path(target).removesuffix(f".{qualname}")
    first = qualname.partition(".")[0]
    exported = getattr(importlib.import_module(module), first)
    parts = module.split(".")
    for length in range(2, len(parts)):
        shorter = ".".join(parts[:length])
        if getattr(importlib.import_module(shorter), first, None) is exported:
            return shorter, qualname
    return module, qualname


def _import_line(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _quoted(text: Any) -> str:
    quoted = repr(text)
    return f'"{text}"' if quoted == f"'{text}'" and '"' not in text else quoted


def _enclose(opening: str, items: list[str], closing: str, indent: int) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return f"{opening}\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + closing
