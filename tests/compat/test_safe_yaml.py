"""Safe loading of YAML configs."""

import ast
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.compat.fvcore.common.config import CfgNode
from detectory.compat.fvcore.common.safe_yaml import evaluate_arithmetic, load_yaml


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[x * 2 for x in [1, 2]]", [2, 4]),
        ("[[x, x * 2 ** (1.0 / 3)] for x in (32,)]", [[32, 32 * 2 ** (1.0 / 3)]]),
        ("(1, -2.5, +3)", (1, -2.5, 3)),
        ("7 // 2 + 7 % 4 - 1 / 2", 5.5),
        ("[i for i in range(1, 4)]", [1, 2, 3]),
        ("True", True),
        ("[int(x * 0.1 * 640) for x in range(5, 8)]", [320, 384, 448]),
        ("[x for x in [3, 4, 5] if x % 2]", [3, 5]),
        ("[(x, y) for x in range(2) for y in (1, 2) if x != y]", [(0, 1), (0, 2), (1, 2)]),
        ("list(range(4))[1:]", [1, 2, 3]),
        ("sum(x * x for x in range(4)) if len([1]) == 1 else 0", 14),
        ("[[4] * 3 + [5]]", [[4, 4, 4, 5]]),
        ("tuple(round(abs(-x), 1) for x in (1.24, 2.0))", (1.2, 2.0)),
        ("max(1, 2) - min(3, 4) + float(1) // 1", 0.0),
    ],
)
def test_arithmetic_is_evaluated_like_python(expression, expected):
    assert evaluate_arithmetic(expression) == expected


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("__import__('os').getcwd()", "__import__"),
        ("'a' * 3", "'a'"),
        ("(lambda: 1)()", "lambda"),
        ("2 ** 1000", "exponent"),
        ("[0 for x in range(10 ** 9)]", "range"),
        ("y + 1", "'y'"),
        ("[0] * 10 ** 9", "at most"),
        ("[[0] * 10000 for x in range(10000) for y in range(10000)]", "steps"),
        ("10 ** 60 * 10 ** 60", "too large"),
        ("().__class__", "__class__"),
        ("[].append(1)", "append"),
        ("range(3).count", "count"),
        ("{1: 2}", "{1: 2}"),
        ("f'{1}'", "f'"),
        ("(x := 1)", "x := 1"),
        ("max([])", "failed"),
        ("1 / 0", "failed"),
        ("int(x=1)", "int"),
        ("print(1)", "print"),
        ("open('a')", "open"),
        ("1 +", "not a valid expression"),
    ],
)
def test_rejects_anything_but_arithmetic(expression, part):
    with pytest.raises(ValueError, match=re.escape(part)):
        evaluate_arithmetic(expression)


def test_tuple_and_eval_tags_are_supported():
    loaded = load_yaml('a: !!python/tuple [1, 2]\nb: !!python/object/apply:eval ["2 * 3"]\n')
    assert loaded == {"a": (1, 2), "b": 6}


@pytest.mark.parametrize(
    "text",
    ['!!python/object/apply:os.system ["true"]', "!!python/name:os.system", '!!python/object/apply:eval ["exit()"]'],
)
def test_rejects_tags_that_could_execute_code(text):
    with pytest.raises(yaml.YAMLError, match=r"refused|not supported"):
        load_yaml(f"a: {text}")


def test_rejected_tag_is_reported_with_file_and_line(tmp_path):
    (tmp_path / "evil.yaml").write_text('a: 1\nb: !!python/object/apply:os.system ["true"]\n')
    with pytest.raises(ValueError, match=r"(?s)evil\.yaml.*os\.system.*line 2"):
        CfgNode.load_yaml_with_base(str(tmp_path / "evil.yaml"))


LEAVES = st.sampled_from(
    ["0", "1", "-3", "2.5", "x", "[1, 2]", "()", "'a'", "None", "__import__", "exit", "range", "..."]
)


def _combined(parts):
    templates = [
        *("{0}.{1}", "{0}[{1}]", "{0}[{1}:]", "{0}({1})", "range({0})", "int({0})", "sum({0} for x in {1})"),
        *("[{0} for x in {1} if x]", "{0} ** {1}", "{0} * {1}", "{0} + {1}", "lambda: {0}", "{0} if {1} else x"),
        *("({0}, {1})", "{{{0}: {1}}}", "f'{{{0}}}'", "{0}.__class__", "getattr({0}, {1})", "not {0}", "{0} < {1}"),
    ]
    return st.builds(lambda template, a, b: template.format(a, b), st.sampled_from(templates), parts, parts)


@settings(max_examples=500, deadline=None)
@given(st.recursive(LEAVES, _combined, max_leaves=12))
def test_expressions_evaluate_to_numbers_and_lists_or_fail(expression):
    try:
        value = evaluate_arithmetic(expression)
    except ValueError:
        return
    assert ast.literal_eval(repr(value)) == value or value != value  # NaN differs from itself


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_arbitrary_text_never_raises_anything_but_value_errors(text):
    try:
        evaluate_arithmetic(text)
    except ValueError:
        return
