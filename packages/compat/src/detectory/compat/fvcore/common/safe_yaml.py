"""YAML config files read without executing code.

Config files in the field use two Python tags: tuples, and `!!python/object/apply:eval` with an arithmetic expression.
Both are supported; every other Python tag is rejected by name.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

import yaml

_LARGEST_EXPONENT = 64
_LARGEST_RANGE = 10_000

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def evaluate_arithmetic(expression: str) -> Any:
    """Evaluate an expression of numbers, lists, tuples, `+ - * / // % **`, `range` and comprehensions.

    Raises:
        ValueError: If the expression contains anything else (the message quotes it), or an exponent is too large.

    Example:
        >>> evaluate_arithmetic("[[x, x * 2 ** 0.5] for x in [32, 64]]")
        [[32, 45.254833995939045], [64, 90.50966799187809]]
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"evaluate_arithmetic: {expression!r} is not a valid expression: {error.msg}") from error
    return _evaluate(tree.body, {})


def _evaluate(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items):
            return [_evaluate(item, names) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_evaluate(item, names) for item in items)
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_number(operand, names))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _apply(sign, _number(left, names), _number(right, names))
        case ast.ListComp(elt=element, generators=[ast.comprehension(target=ast.Name(id=name), iter=source, ifs=[])]):
            return [_evaluate(element, {**names, name: item}) for item in _iterated(source, names)]
        case ast.Call(func=ast.Name(id="range"), keywords=[]):
            return list(_iterated(node, names))
    raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)!r} is not allowed, only numbers, lists and arithmetic")


def _number(node: ast.expr, names: dict[str, Any]) -> float:
    value = _evaluate(node, names)
    if not isinstance(value, int | float):
        raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)!r} must be a number, got {value!r}")
    return value


def _apply(sign: ast.operator, left: float, right: float) -> float:
    if isinstance(sign, ast.Pow) and abs(right) > _LARGEST_EXPONENT:
        raise ValueError(f"evaluate_arithmetic: exponents must be at most {_LARGEST_EXPONENT}, got {right}")
    return _BINARY[type(sign)](left, right)


def _iterated(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        steps = range(*(int(_number(argument, names)) for argument in node.args))
        if len(steps) > _LARGEST_RANGE:
            raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)} has more than {_LARGEST_RANGE} steps")
        return steps
    value = _evaluate(node, names)
    if not isinstance(value, list | tuple):
        raise ValueError(f"evaluate_arithmetic: {ast.unparse(node)!r} must be a list, got {value!r}")
    return value


class ConfigLoader(yaml.SafeLoader):
    """PyYAML's safe loader with tuples and arithmetic expressions."""


def _construct_tuple(loader: ConfigLoader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node, deep=True))


def _construct_arithmetic(loader: ConfigLoader, node: yaml.SequenceNode) -> Any:
    arguments = loader.construct_sequence(node, deep=True)
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.tag} needs one expression as text, got {arguments!r}", node.start_mark
        )
    try:
        return evaluate_arithmetic(arguments[0])
    except ValueError as error:
        raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


def _refuse(_: ConfigLoader, suffix: str, node: yaml.Node) -> Any:
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag '!!python/{suffix}' is refused: it could execute code", node.start_mark
    )


ConfigLoader.add_constructor("tag:yaml.org,2002:python/tuple", _construct_tuple)
for _module in ("", "builtins.", "__builtin__."):
    ConfigLoader.add_constructor(f"tag:yaml.org,2002:python/object/apply:{_module}eval", _construct_arithmetic)
ConfigLoader.add_multi_constructor("tag:yaml.org,2002:python/", _refuse)


def load_yaml(stream: Any) -> Any:
    """Load a YAML document from text or a file object; see the module for the supported tags.

    Raises:
        yaml.YAMLError: If the YAML is malformed or has a refused tag, with line and column.
    """
    return yaml.load(stream, Loader=ConfigLoader)
