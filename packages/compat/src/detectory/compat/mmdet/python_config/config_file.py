"""Files of configs: statements, base configs, and how a config changes its base."""

import ast
import copy
from pathlib import Path
from typing import Any

from .errors import ConfigReadError
from .expressions import Evaluator, PartName

#: Limits of the files of one config.
_MAX_BYTES, _MAX_FILES, _MAX_DEPTH = 1_000_000, 100, 20

_DELETE, _BASE = "_delete_", "_base_"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a config of MMDetection without executing it.

    Understood are `_base_` with relative paths, `read_base()` with relative imports, dictionaries, lists, arithmetic,
    names that are defined above, `_delete_`, and `{{_base_.name}}`. Classes that a config imports become their names.

    Args:
        path: The config, a Python file.

    Returns:
        Its values by name.

    Raises:
        FileNotFoundError: If a file does not exist.
        ConfigReadError: If a file contains something that is not data.
    """
    return _without_marks(_Reader().read(Path(path), depth=0))


class _Reader:
    """The files of one config."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, path: Path, depth: int) -> dict[str, Any]:
        self.count += 1
        if depth > _MAX_DEPTH or self.count > _MAX_FILES:
            raise ConfigReadError(f"{path}: too many base configs")
        if not path.is_file():
            raise FileNotFoundError(f"config {path} does not exist")
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigReadError(f"{path}: the file is larger than {_MAX_BYTES} bytes")
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            return _File(self, path, depth).run(tree.body)
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ConfigReadError(f"{path}: not a Python config: {error}") from None
        except (RecursionError, MemoryError):
            raise ConfigReadError(f"{path}: the config is nested too deeply") from None


class _File:
    """The statements of one file, in order."""

    def __init__(self, reader: _Reader, path: Path, depth: int) -> None:
        self.reader = reader
        self.path = path
        self.depth = depth
        self.names: dict[str, Any] = {}
        self.base: dict[str, Any] = {}
        self.own: set[str] = set()
        variables = {
            "fileDirname": str(path.parent),
            "fileBasename": path.name,
            "fileBasenameNoExtension": path.stem,
            "fileExtname": path.suffix,
        }
        self.evaluate = Evaluator(str(path), self.names, variables)

    def run(self, statements: list[ast.stmt]) -> dict[str, Any]:
        for statement in statements:
            self._statement(statement)
        values = {name: self.names[name] for name in self.own if not name.startswith("_")}
        values = {name: value for name, value in values.items() if not isinstance(value, PartName)}
        return merged(self.base, values, str(self.path))

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._assign([target], value)
            case ast.AugAssign(target=ast.Name(id=name), op=operator, value=value):
                load = ast.copy_location(ast.Name(name, ast.Load()), node)
                self._define(name, self.evaluate(ast.copy_location(ast.BinOp(load, operator, value), node)))
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value=value):
                self.evaluate(value)
                self._take_changed(value)
            case ast.Delete(targets=targets):
                self._delete(targets)
            case ast.Import(names=names):
                self.names.update({(one.asname or one.name).split(".")[0]: PartName(one.name) for one in names})
            case ast.ImportFrom(level=0, names=names):
                self.names.update({one.asname or one.name: PartName(one.name) for one in names})
            case ast.ImportFrom():
                self._relative_import(node)
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Name(id="read_base")))], body=body):
                self._import_bases(body)
            case ast.If(test=ast.Constant(value="_base_"), body=body):
                self._import_bases(body)
            case _:
                kind = type(node).__name__.lower().removesuffix("def")
                raise self.evaluate.error(node, f"a {kind!r} statement is not data, and is not executed")

    def _import_bases(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if not isinstance(statement, ast.ImportFrom) or not statement.level:
                raise self.evaluate.error(statement, "base configs must be imported by 'from .name import *'")
            self._relative_import(statement)

    def _relative_import(self, node: ast.ImportFrom) -> None:
        folder = self.path.parent
        for _ in range(node.level - 1):
            folder = folder.parent
        values = self.reader.read(folder.joinpath(*(node.module or "").split(".")).with_suffix(".py"), self.depth + 1)
        chosen = values if node.names[0].name == "*" else {one.name: values.get(one.name) for one in node.names}
        self._add_base(values if node.names[0].name == "*" else {})
        self.names.update(copy.deepcopy(chosen))

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        result = self.evaluate(value)
        for target in targets:
            if isinstance(target, ast.Name):
                self._define(target.id, result)
            elif isinstance(target, (ast.Tuple, ast.List)):
                for part, one in zip(target.elts, result, strict=True):
                    if not isinstance(part, ast.Name):
                        raise self.evaluate.error(target, "only names can be defined together")
                    self._define(part.id, one)
            elif isinstance(target, (ast.Subscript, ast.Attribute)):
                owner = self.evaluate(target.value)
                key: Any = target.attr if isinstance(target, ast.Attribute) else self.evaluate._index(target.slice)
                if not isinstance(owner, (dict, list)):
                    raise self.evaluate.error(target, "only entries of dictionaries and lists can be set")
                owner[key] = result
                self._take_changed(target)
            else:
                raise self.evaluate.error(target, "the assignment is not data")

    def _define(self, name: str, value: Any) -> None:
        if name == _BASE:
            for base in [value] if isinstance(value, str) else value:
                if "::" in base:
                    folder = base.split("::")[0]
                    raise ConfigReadError(
                        f"{self.path}: base config {base!r} belongs to the installed package {folder!r}."
                        " Copy it next to the config"
                    )
                self._add_base(self.reader.read(self.path.parent / base, self.depth + 1))
            self.names[_BASE] = copy.deepcopy(self.base)
            return
        self.names[name] = value
        self.own.add(name)

    def _add_base(self, values: dict[str, Any]) -> None:
        self.base = merged(self.base, values, str(self.path))

    def _take_changed(self, node: ast.AST) -> None:
        """Mark the name whose value a statement has changed in place as defined in this file, replacing the base's."""
        root = next((n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in self.base), None)
        if root is not None and root in self.names:
            self.own.add(root)
            value = self.names[root]
            self.base[root] = copy.deepcopy(value)

    def _delete(self, targets: list[ast.expr]) -> None:
        for target in targets:
            if isinstance(target, ast.Subscript):
                del self.evaluate(target.value)[self.evaluate._index(target.slice)]
                self._take_changed(target)
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == _BASE:
                self.base.pop(target.attr, None)
            elif isinstance(target, ast.Attribute):
                del self.evaluate(target.value)[target.attr]
                self._take_changed(target)
            elif isinstance(target, ast.Name):
                self.names.pop(target.id, None)
                self.own.discard(target.id)
                self.base.pop(target.id, None)
            else:
                raise self.evaluate.error(target, "the statement is not data")


def merged(base: dict[str, Any], changes: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a base config with changes: dictionaries are merged unless they contain `_delete_`, others replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, dict) and not value.get(_DELETE):
            if isinstance(old, dict):
                result[key] = merged(old, value, path)
                continue
            if isinstance(old, list) and value and all(str(index).isdigit() for index in value):
                result[key] = _merged_list(old, value, f"{path}: {key}")
                continue
        result[key] = copy.deepcopy(value)
    return result


def _merged_list(old: list[Any], changes: dict[str, Any], place: str) -> list[Any]:
    """Return a list with changes of single elements."""
    result = list(old)
    for index, value in changes.items():
        if int(index) >= len(result):
            raise ConfigReadError(f"{place}: the base has {len(result)} elements, but element {index} is changed")
        both = isinstance(result[int(index)], dict) and isinstance(value, dict)
        result[int(index)] = merged(result[int(index)], value, place) if both else value
    return result


def _without_marks(value: Any) -> Any:
    """Remove `_delete_` from all dictionaries."""
    if isinstance(value, dict):
        return {key: _without_marks(one) for key, one in value.items() if key != _DELETE}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_marks(one) for one in value)
    return value
