"""Scanner that lists the names and overridden methods of a Detectron2 project that this package does not have.

The project is parsed, never imported.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from detectory.core.suggestions import nearest

_ROOTS = {"detectron2": "detectory.compat.detectron2", "fvcore": "detectory.compat.fvcore"}
_MISSING = object()


class Use(NamedTuple):
    """A name of Detectron2 or fvcore that a project uses.

    Attributes:
        file: Path of the source file.
        line: Line number.
        name: Dotted name.
        is_method: Whether the name is a private method that a subclass defines.
    """

    file: Path
    line: int
    name: str
    is_method: bool


def check_project(folder: str | Path) -> tuple[int, list[str]]:
    """Compare a project with this package.

    Args:
        folder: Folder of the project.

    Returns:
        Number of uses, and one message per use that is not covered.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"check_project: folder not found: {root}")
    uses = [use for path in sorted(root.rglob("*.py")) for use in sorted(uses_in_file(path))]
    problems = []
    for use in uses:
        owner, missing = _resolve(use.name)
        if missing is None:
            continue
        place = f"{use.file.relative_to(root)}:{use.line}"
        if use.is_method:
            problems.append(f"{place}: {use.name} is overridden, but not called here")
        else:
            problems.append(f"{place}: {use.name} does not exist, {nearest(missing, dir(owner))}")
    return len(uses), problems


def uses_in_file(path: Path) -> Iterator[Use]:
    """Yield the names of Detectron2 and fvcore that a file imports, reaches by attribute, or overrides."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        return
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_known(node.module or ""):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if alias.name != "*":
                    yield Use(path, node.lineno, f"{node.module}.{alias.name}", is_method=False)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_known(alias.name):
                    names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
                    yield Use(path, node.lineno, alias.name, is_method=False)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := _dotted(node, names)):
            yield Use(path, node.lineno, name, is_method=False)
        elif isinstance(node, ast.ClassDef):
            yield from _overrides(path, node, names)


def _overrides(path: Path, node: ast.ClassDef, names: dict[str, str]) -> Iterator[Use]:
    """Yield the private methods of a subclass that call the method of the base class."""
    bases = [base for base in (_dotted(base, names) for base in node.bases) if base]
    for method in node.body:
        if not bases or not isinstance(method, ast.FunctionDef) or method.name.startswith("__"):
            continue
        calls_base = any(
            isinstance(call, ast.Attribute) and call.attr == method.name and _is_super(call.value)
            for call in ast.walk(method)
        )
        if calls_base:
            yield Use(path, method.lineno, f"{bases[0]}.{method.name}", is_method=True)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in _ROOTS


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """Return the dotted name of an expression that starts with an imported name."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value, names)):
        return f"{base}.{node.attr}"
    return None


def _resolve(name: str) -> tuple[Any, str | None]:
    """Return the last object that exists on the path of a name, and the missing part, None if all exist."""
    root, *parts = name.split(".")
    path = _ROOTS[root]
    owner: Any = importlib.import_module(path)
    for part in parts:
        path = f"{path}.{part}"
        module = _module(path) if isinstance(owner, type(ast)) else None
        value = getattr(owner, part, _MISSING)
        if value is _MISSING and module is None:
            # Values such as configs have attributes that are known only at run time.
            return owner, part if isinstance(owner, type | type(ast)) else None
        owner = module if module is not None and part != parts[-1] else (module if value is _MISSING else value)
    return owner, None


def _module(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return None
