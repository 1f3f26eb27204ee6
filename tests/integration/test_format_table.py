"""The table of formats in docs/tasks/data.md agrees with the readers and writers."""

from pathlib import Path

from detectory.cli.commands.data.convert import command
from detectory.data.sources import _LOADERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "data.md"


def rows():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`" in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[1].strip("`"): row for row in cells if len(row) == 5}


def test_the_table_lists_every_format_that_is_read():
    assert {name for name, row in rows().items() if row[2] == "yes"} == set(_LOADERS) - {"records"}


def test_the_table_lists_every_format_that_is_written():
    (option,) = (parameter for parameter in command.params if parameter.name == "target")
    assert {name for name, row in rows().items() if row[3] == "yes"} == set(option.type.choices)
