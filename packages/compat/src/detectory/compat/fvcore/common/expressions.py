"""Evaluation of arithmetic expressions in config files without executing code."""

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any

_MAX_EXPONENT = 64
_MAX_LENGTH = 10_000
_MAX_STEPS = 100_000
_MAX_MAGNITUDE = 10**30

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "float": float,
    "int": int,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "range": range,
    "round": round,
    "sum": sum,
    "tuple": tuple,
}


def evaluate_arithmetic(expression: str) -> Any:
    """Evaluate an expression of numbers, lists and tuples.

    Supported are arithmetic, comparisons, conditionals, subscripts and slices, comprehensions, and calls of `abs`,
    `float`, `int`, `len`, `list`, `max`, `min`, `range`, `round`, `sum` and `tuple`.

    Raises:
        ValueError: If the expression contains anything else (the message quotes it), fails, or is too expensive.

    Example:
        >>> evaluate_arithmetic("[int(x * 0.1 * 640) for x in range(5, 8)]")
        [320, 384, 448]
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"evaluate_arithmetic: {expression!r} is not a valid expression: {error}") from error
    try:
        value = _Evaluator().evaluate(tree.body, {})
    except (TypeError, ArithmeticError, LookupError, RecursionError) as error:
        raise ValueError(f"evaluate_arithmetic: {expression!r} failed: {error}") from error
    return list(value) if isinstance(value, range) else value


class _Evaluator:
    """Interprets a syntax tree, counting the steps."""

    def __init__(self) -> None:
        self.steps = 0

    def evaluate(self, node: ast.expr, names: dict[str, Any]) -> Any:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise ValueError(f"evaluate_arithmetic: expressions must evaluate in {_MAX_STEPS} steps")
        return _checked(self._value(node, names), node)

    def _value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return node.value
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.List(elts=items):
                return [self.evaluate(item, names) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.evaluate(item, names) for item in items)
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
                return _UNARY[type(sign)](self.evaluate(operand, names))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
                return self._binary(sign, self.evaluate(left, names), self.evaluate(right, names))
            case ast.BoolOp(op=sign, values=values):
                tests = (self.evaluate(value, names) for value in values)
                return all(tests) if isinstance(sign, ast.And) else any(tests)
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARE:
                return _COMPARE[type(sign)](self.evaluate(left, names), self.evaluate(right, names))
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.evaluate(body if self.evaluate(test, names) else other, names)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                limits = [None if limit is None else self.evaluate(limit, names) for limit in (lower, upper, step)]
                return self._sequence(value, names)[slice(*limits)]
            case ast.Subscript(value=value, slice=index):
                return self._sequence(value, names)[self.evaluate(index, names)]
            case ast.ListComp() | ast.GeneratorExp():
                return list(self._comprehension(node.elt, node.generators, names))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, [self.evaluate(argument, names) for argument in arguments])
        raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)!r} is not supported, only numbers and lists")

    def _call(self, name: str, arguments: list[Any]) -> Any:
        try:
            return _FUNCTIONS[name](*arguments)
        except ValueError as error:
            raise ValueError(f"evaluate_arithmetic: {name} failed: {error}") from error

    def _binary(self, sign: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(sign, ast.Pow) and abs(right) > _MAX_EXPONENT:
            raise ValueError(f"evaluate_arithmetic: exponents must be at most {_MAX_EXPONENT}, got {right}")
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, list | tuple) and isinstance(times, int) and len(sequence) * times > _MAX_LENGTH:
                raise ValueError(f"evaluate_arithmetic: lists must have at most {_MAX_LENGTH} elements")
        return _BINARY[type(sign)](left, right)

    def _sequence(self, node: ast.expr, names: dict[str, Any]) -> Any:
        value = self.evaluate(node, names)
        if not isinstance(value, list | tuple | range):
            raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)!r} must be a list, got {value!r}")
        return value

    def _comprehension(
        self, element: ast.expr, generators: list[ast.comprehension], names: dict[str, Any]
    ) -> Iterator[Any]:
        if not generators:
            yield self.evaluate(element, names)
            return
        first, *others = generators
        for item in self._sequence(first.iter, names):
            bound = {**names, **_bindings(first.target, item)}
            if all(self.evaluate(test, bound) for test in first.ifs):
                yield from self._comprehension(element, others, bound)


def _bindings(target: ast.expr, item: Any) -> dict[str, Any]:
    match target:
        case ast.Name(id=name):
            return {name: item}
        case ast.Tuple(elts=targets) if isinstance(item, list | tuple) and len(item) == len(targets):
            return {
                name: value
                for part, own in zip(targets, item, strict=True)
                for name, value in _bindings(part, own).items()
            }
    raise ValueError(f"evaluate_arithmetic: cannot assign {item!r} to {ast.unparse(target)!r}")


def _checked(value: Any, node: ast.expr) -> Any:
    """Return a value unless it is too large.

    Raises:
        ValueError: If a number or a sequence is too large.
    """
    if isinstance(value, list | tuple | range) and len(value) > _MAX_LENGTH:
        raise ValueError(
            f"evaluate_arithmetic: {ast.unparse(node)} is a range or list with more than {_MAX_LENGTH} elements"
        )
    if isinstance(value, int) and abs(value) > _MAX_MAGNITUDE:
        raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)} is too large")
    if isinstance(value, complex):
        raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)} is not a real number")
    return value
