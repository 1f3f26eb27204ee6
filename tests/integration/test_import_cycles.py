"""No package has an import cycle among its modules, imports inside functions included."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[2] / "packages"
NAMES = sorted(path.parent.name for path in PACKAGES.glob("*/pyproject.toml"))


def python_modules(source: Path) -> dict[str, Path]:
    """Map the dotted name of every module below a `src` folder to its file."""
    modules = {}
    for file in source.rglob("*.py"):
        parts = file.relative_to(source).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return modules


def runtime_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements below a node, including those in functions but not under TYPE_CHECKING."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node
        return
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    for child in node.orelse if is_for_types else ast.iter_child_nodes(node):
        yield from runtime_imports(child)


def imported_modules(name: str, file: Path, known: dict[str, Path]) -> set[str]:
    """Return the known modules that a module imports, without itself.

    `from a.b import c` imports the module `a.b.c` if it exists, otherwise `a.b`. The
    `__init__.py` of every package above an imported module runs too but does not count: otherwise each package that
    re-exports its modules would be a cycle.
    """
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imported = set()
    for statement in runtime_imports(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(statement, ast.Import):
            candidates = [(alias.name, "") for alias in statement.names]
        else:
            origin = resolve_name("." * statement.level + (statement.module or ""), package)
            candidates = [(f"{origin}.{alias.name}", origin) for alias in statement.names]
        for candidate, fallback in candidates:
            imported.add(candidate if candidate in known else fallback)
    return imported & known.keys() - {name}


def find_cycle(source: Path) -> list[str]:
    """Return the modules of an import cycle below a `src` folder, with the first one repeated at the end, or []."""
    known = python_modules(source)
    graph = {name: imported_modules(name, file, known) for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", NAMES)
def test_package_has_no_import_cycle(package):
    assert find_cycle(PACKAGES / package / "src") == []


@pytest.fixture
def two_modules(tmp_path):
    """Return a function that writes the modules `pair.first` and `pair.second` and returns their source folder."""

    def write(first: str, second: str) -> Path:
        (tmp_path / "pair").mkdir()
        for name, text in (("__init__", ""), ("first", first), ("second", second)):
            (tmp_path / "pair" / f"{name}.py").write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    "back",
    ["import pair.first", "from pair import first", "from .first import f", "def g():\n    from . import first"],
    ids=["import", "from", "relative", "lazy"],
)
def test_reports_cycle_of_two_modules(two_modules, back):
    cycle = find_cycle(two_modules("from pair.second import g", back))
    assert set(cycle) == {"pair.first", "pair.second"}
    assert cycle[0] == cycle[-1]


def test_ignores_imports_for_type_checkers(two_modules):
    back = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pair.first import f\n"
    assert find_cycle(two_modules("from pair.second import g", back)) == []
