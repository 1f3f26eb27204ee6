"""Safe loading of YAML configs."""

import pytest
import yaml

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
        ("[x for x in [1] if x]", "for x"),
        ("2 ** 1000", "exponent"),
        ("[0 for x in range(10 ** 9)]", "range"),
        ("y + 1", "'y'"),
        ("[1] + [2]", "must be a number"),
        ("1 +", "not a valid expression"),
    ],
)
def test_rejects_anything_but_arithmetic(expression, part):
    with pytest.raises(ValueError, match=part.replace("(", r"\(")):
        evaluate_arithmetic(expression)


def test_tuple_and_eval_tags_are_supported():
    loaded = load_yaml('a: !!python/tuple [1, 2]\nb: !!python/object/apply:eval ["2 * 3"]\n')
    assert loaded == {"a": (1, 2), "b": 6}


@pytest.mark.parametrize(
    "text",
    ['!!python/object/apply:os.system ["true"]', "!!python/name:os.system", '!!python/object/apply:eval ["exit()"]'],
)
def test_rejects_tags_that_could_execute_code(text):
    with pytest.raises(yaml.YAMLError, match=r"refused|not allowed"):
        load_yaml(f"a: {text}")


def test_rejected_tag_is_reported_with_file_and_line(tmp_path):
    (tmp_path / "evil.yaml").write_text('a: 1\nb: !!python/object/apply:os.system ["true"]\n')
    with pytest.raises(ValueError, match=r"(?s)evil\.yaml.*os\.system.*line 2"):
        CfgNode.load_yaml_with_base(str(tmp_path / "evil.yaml"))
