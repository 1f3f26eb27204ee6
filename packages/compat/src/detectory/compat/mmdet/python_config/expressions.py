"""Evaluation of the expressions of a config: literals, names, arithmetic and a few functions of literals."""

import ast
import copy
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ConfigReadError

#: Largest number of elements of a list or a string that an expression may create.
_MAX_LENGTH = 100_000

#: Largest absolute value of a number that an operator may return.
_MAX_NUMBER = 1e18


class PartName(str):
    """The name of a class or function that a config imports; it is not imported here."""


def _limited(value: Any) -> Any:
    """Return the value of an operator, unless it is too large."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > _MAX_NUMBER:
        raise ValueError("the number is too large")
    if isinstance(value, (str, list, tuple)) and len(value) > _MAX_LENGTH:
        raise ValueError("the value is too long")
    return value


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > 64 or abs(base) > 1e6:
        raise ValueError("the number is too large")
    return base**exponent


def _multiply(first: Any, second: Any) -> Any:
    for sequence, count in ((first, second), (second, first)):
        if isinstance(sequence, (str, list, tuple)):
            if len(sequence) * count > _MAX_LENGTH:
                raise ValueError("the value is too long")
            return sequence * count
    return first * second


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: lambda first, second: _modulo(first, second),
    ast.Pow: _power,
}
_UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda first, second: first in second,
    ast.NotIn: lambda first, second: first not in second,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def _modulo(first: Any, second: Any) -> Any:
    if isinstance(first, str):
        raise TypeError("formatting of strings is not read")
    return first % second


def _range(*arguments: int) -> list[int]:
    values = range(*arguments)
    if len(values) > _MAX_LENGTH:
        raise ValueError("the range is too long")
    return list(values)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dict": dict,
    "list": list,
    "tuple": tuple,
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "len": len,
    "min": min,
    "max": max,
    "sum": sum,
    "abs": abs,
    "round": round,
    "range": _range,
    "deepcopy": copy.deepcopy,
}

#: Methods of dictionaries and lists.
METHODS: dict[Any, tuple[str, ...]] = {
    dict: ("copy", "get", "items", "keys", "pop", "update", "values"),
    list: ("append", "copy", "extend", "insert", "pop"),
}


class Evaluator:
    """Evaluation of expressions with the names that are defined above them.

    Args:
        path: The file, for messages.
        names: Values by name.
        variables: Values of `{{ name }}` in strings, such as `fileDirname`.
    """

    def __init__(self, path: str, names: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self.path = path
        self.names = names
        self.variables = variables

    def __call__(self, node: ast.expr) -> Any:
        """Return the value of an expression.

        Raises:
            ConfigReadError: If the expression is not data.
        """
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self.error(node, f"{ast.unparse(node)[:80]!r} is not data, and is not read")
        try:
            return _limited(method(node))
        except ConfigReadError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self.error(node, f"{ast.unparse(node)[:80]!r} cannot be evaluated: {error}") from None

    def error(self, node: ast.AST, text: str) -> ConfigReadError:
        """Return an error at a place of the file."""
        return ConfigReadError(f"{self.path}:{getattr(node, 'lineno', 1)}: {text}")

    def _constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, str):
            for name, text in self.variables.items():
                value = value.replace(f"{{{{ {name} }}}}", text).replace(f"{{{{{name}}}}}", text)
        elif not isinstance(value, (int, float, bool, type(None))):
            raise TypeError("numbers must be real")
        return value

    def _name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise self.error(node, f"name {node.id!r} is not defined above")
        return self.names[node.id]

    def _list(self, node: ast.List) -> list:
        values: list[Any] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                values.extend(self(element.value))
            else:
                values.append(self(element))
        return values

    def _tuple(self, node: ast.Tuple) -> tuple:
        return tuple(self._list(ast.List(node.elts)))

    def _set(self, node: ast.Set) -> Any:
        """Evaluate `{{_base_.name}}`, a set of a set for Python, and the value of a base config here."""
        inner = node.elts[0]
        if len(node.elts) == 1 and isinstance(inner, ast.Set) and len(inner.elts) == 1:
            return copy.deepcopy(self(inner.elts[0]))
        return self._list(ast.List(node.elts))

    def _dict(self, node: ast.Dict) -> dict:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result.update(self(value))
            else:
                result[self(key)] = self(value)
        return result

    def _binop(self, node: ast.BinOp) -> Any:
        if type(node.op) not in _BINARY:
            raise TypeError("the operator is not read")
        return _BINARY[type(node.op)](self(node.left), self(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        if type(node.op) not in _UNARY:
            raise TypeError("the operator is not read")
        return _UNARY[type(node.op)](self(node.operand))

    def _boolop(self, node: ast.BoolOp) -> Any:
        is_and = isinstance(node.op, ast.And)
        value = None
        for operand in node.values:
            value = self(operand)
            if bool(value) != is_and:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self(node.left)
        for comparison, operand in zip(node.ops, node.comparators, strict=True):
            right = self(operand)
            if not _COMPARISONS[type(comparison)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self(node.body if self(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self(node.value)[self._index(node.slice)]

    def _index(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Slice):
            parts = [None if part is None else self(part) for part in (node.lower, node.upper, node.step)]
            return slice(*parts)
        return self(node)

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self(node.value)
        if isinstance(owner, PartName):
            return PartName(node.attr)
        if not isinstance(owner, dict):
            raise TypeError("only dictionaries have entries")
        return owner[node.attr]

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.format_spec is not None or part.conversion != -1:
                    raise TypeError("formatting of strings is not read")
                parts.append(str(self(part.value)))
            else:
                parts.append(str(self(part)))
        return "".join(parts)

    def _call(self, node: ast.Call) -> Any:
        arguments = self._list(ast.List(node.args))
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                keywords.update(self(keyword.value))
            else:
                keywords[keyword.arg] = self(keyword.value)
        function = node.func
        if isinstance(function, ast.Name) and function.id in _FUNCTIONS:
            return _FUNCTIONS[function.id](*arguments, **keywords)
        if isinstance(function, ast.Attribute):
            if isinstance(function.value, ast.Name) and (function.value.id, function.attr) == ("copy", "deepcopy"):
                return copy.deepcopy(*arguments)
            owner = self(function.value)
            if function.attr in METHODS.get(type(owner), ()):
                value = getattr(owner, function.attr)(*arguments, **keywords)
                return list(value) if function.attr in ("items", "keys", "values") else value
        raise self.error(node, f"{ast.unparse(node)[:80]!r} is a call, and is not executed")

    def _listcomp(self, node: ast.ListComp) -> list:
        if len(node.generators) != 1 or not isinstance(node.generators[0].target, ast.Name):
            raise TypeError("only comprehensions over one name are read")
        generator = node.generators[0]
        target = generator.target
        assert isinstance(target, ast.Name)
        values = []
        for item in self(generator.iter):
            inner = Evaluator(self.path, {**self.names, target.id: item}, self.variables)
            if all(inner(condition) for condition in generator.ifs):
                values.append(inner(node.elt))
        return values
