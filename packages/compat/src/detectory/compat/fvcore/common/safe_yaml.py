"""YAML config files read without executing code.

Config files in the field use two Python tags: tuples, and `!!python/object/apply:eval` with an arithmetic expression.
Both are supported; every other Python tag is rejected by name.
"""

from typing import Any

import yaml

from detectory.compat.fvcore.common.expressions import evaluate_arithmetic

__all__ = ["ConfigLoader", "evaluate_arithmetic", "load_yaml"]


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
