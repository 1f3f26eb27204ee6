import torch

from detectory.core.environment import collect_environment, format_environment


def test_report_contains_torch_and_this_package():
    report = collect_environment()
    assert torch.__version__ in report["torch"]
    assert "detectory-core" in report


def test_format_aligns_two_columns():
    assert format_environment({"a": "1", "long": "2"}) == "a     1\nlong  2"
