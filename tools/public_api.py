"""Write the public names of every package with their parameters to tests/PACKAGE/public_api.txt.

usage: python -m tools.public_api

The files are compared with the sources in the tests, so that a removed or changed name is visible in a review. A name
is public if neither it nor a part of its module begins with an underscore. Names that a module lists in `__all__` but
imports from elsewhere are written without parameters.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.release.packages import ROOT, Package, all_packages


def public_api(package: Package) -> list[str]:
    """Return the public names of a package, one line each, such as `detectory.structures.Boxes.area()`."""
    source = package.folder / "src"
    lines: set[str] = set()
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        module = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in module):
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            lines.update(f"{'.'.join(module)}.{line}" for line in _module_lines(tree))
    return sorted(lines)


def snapshot_file(package: Package) -> Path:
    """Return the file with the public names of a package."""
    tests = package.folder / "tests"
    return (tests if tests.exists() else ROOT / "tests" / package.folder.name) / "public_api.txt"


def _module_lines(tree: ast.Module) -> Iterator[str]:
    listed = _listed_names(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            listed.discard(node.name)
            yield from _definition_lines(node)
    yield from listed


def _listed_names(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value)) if isinstance(node.value, ast.List | ast.Tuple) else set()
    return set()


def _definition_lines(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield f"{node.name}({_parameters(node)})"
        return
    members = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    constructor = next((member for member in members if member.name == "__init__"), None)
    yield f"{node.name}({_parameters(constructor, is_method=True) if constructor else ''})"
    for member in members:
        if not member.name.startswith("_"):
            decorators = {ast.unparse(decorator) for decorator in member.decorator_list}
            if decorators & {"property", "cached_property", "functools.cached_property"}:
                yield f"{node.name}.{member.name}"
            elif not any(decorator.endswith(".setter") for decorator in decorators):
                yield f"{node.name}.{member.name}({_parameters(member, is_method='staticmethod' not in decorators)})"


def _parameters(node: ast.FunctionDef, *, is_method: bool = False) -> str:
    """Return the parameters without types; a default value is shown as `=`, because it may change."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    names = [name.arg + ("=" if index >= required else "") for index, name in enumerate(positional)][is_method:]
    if arguments.vararg:
        names.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        names.append("*")
    keyword_only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    names += [name.arg + ("=" if default else "") for name, default in keyword_only]
    if arguments.kwarg:
        names.append(f"**{arguments.kwarg.arg}")
    return ", ".join(names)


def main() -> None:
    """Write the files of all packages."""
    for package in all_packages():
        lines = public_api(package)
        snapshot_file(package).write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{package.name}: {len(lines):,} names")


if __name__ == "__main__":
    main()
