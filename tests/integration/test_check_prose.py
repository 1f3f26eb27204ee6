"""The checker of language and docstrings, on small sources and a glossary of invented terms."""

import pytest
from tools.check_prose import ROOT, Text, check_file, dialect_problems, glossary_problems, read_glossary, tracked_files

GLOSSARY = """
### Phrases

| avoid | write | allowed |
|---|---|---|
| `widget`, `widgets` | part | |
| `has zero ~` | is not a … | `has zero cost` |
| `Plate` | table | `Plate N` |

### Names

| avoid | write | allowed |
|---|---|---|
| `widget` | part | |
"""
PHRASES, NAMES = read_glossary(GLOSSARY, "### Phrases"), read_glossary(GLOSSARY, "### Names")


def problems(tmp_path, name, source):
    path = tmp_path / name
    path.write_text(source)
    return [problem.removeprefix(f"{path}:") for problem in check_file(path, PHRASES, NAMES)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("A widget and two Widgets.", ["widget", "Widgets"]),
        ("A subwidget, a widget-like part and `widget` in code.", []),
        ("This has zero JSON, but it has zero cost.", ["has zero JSON"]),
        ("The value has\n    zero digits.", ["has zero digits"]),
        ("See plate 3, not the plate.", ["plate"]),
        ("The constant WIDGET.", []),
    ],
    ids=["plural and case", "whole words and code", "allowed phrase", "line break", "number", "constants"],
)
def test_phrases_are_matched_as_whole_words_outside_code(text, phrases):
    reported = [problem.split("'")[1] for _, problem in glossary_problems(Text(1, "comment", text), PHRASES)]
    assert reported == phrases


def test_problems_of_python_have_the_line_of_the_phrase(tmp_path):
    source = (
        '"""A module.\n\nWith a widget.\n"""\n\n# A widget.\nVALUE = "this message has a widget"\nNAME = "widget"\n'
    )
    assert [problem.split(":")[0] for problem in problems(tmp_path, "m.py", source)] == ["3", "6", "7"]


def test_markdown_is_checked_outside_code_blocks(tmp_path):
    assert problems(tmp_path, "p.md", "A widget.\n\n```python\nwidget = 1  # a widget\n```\n") == [
        "1: 'widget': write part"
    ]


def test_comments_of_cpp_are_checked(tmp_path):
    assert problems(tmp_path, "k.cpp", "int widget;\n/* One\n   widget. */\n") == ["3: 'widget': write part"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Use ``code``.", "double backticks"),
        ("See :class:`Boxes`.", "Sphinx role"),
        ("Args:\n    boxes: the boxes.", "entry of Args in lowercase: 'the boxes.'"),
        ("Args:\n    *args, **kwargs: the rest.", "entry of Args in lowercase"),
        ("Attributes:\n    x (int): the value.", "entry of Attributes in lowercase"),
        ("Raises:\n    ValueError: For a wrong shape.", 'does not begin with "If"'),
    ],
    ids=["double backticks", "role", "argument", "variadic arguments", "attribute", "exception"],
)
def test_docstrings_follow_the_dialect(row, message):
    (problem,) = dialect_problems(Text(1, "docstring", f"Return the sum.\n\n{row}\n"))
    assert message in problem[1]


def test_sections_end_where_the_indentation_ends():
    docstring = (
        "Add.\n\n    Args:\n        a: A number,\n            note: continued.\n\n    Example:\n        b: lower\n"
    )
    assert not list(dialect_problems(Text(1, "docstring", docstring)))


def test_reports_names_of_definitions_and_loggers(tmp_path):
    source = "import logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef make_widget(widget): ...\n"
    assert problems(tmp_path, "m.py", source) == [
        "3: logger 'logger': the module's logger is named '_logger'",
        "6: name 'make_widget' has 'widget': write part",
        "6: name 'widget' has 'widget': write part",
    ]


def test_rejects_a_page_without_a_glossary():
    with pytest.raises(ValueError, match="no table of phrases below '### Phrases'"):
        read_glossary("# Style\n", "### Phrases")


def test_the_glossary_of_the_project_is_read_and_its_pages_are_checked():
    style = (ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    assert len(read_glossary(style, "### Phrases")) > 20
    assert ROOT / "docs" / "style.md" in tracked_files("docs")
