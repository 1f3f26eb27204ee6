"""Writes the table of tested differences from Detectron2 into `docs/from-detectron2.md`.

The rows are the docstrings of the tests in `tests/compat/test_differences.py`.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "from-detectron2.md"
TESTS = ROOT / "tests" / "compat" / "test_differences.py"
BEGIN, END = "<!-- differences: written by tools/write_differences.py -->", "<!-- end of differences -->"


def rows() -> list[str]:
    """Return the rows of the table."""
    functions = [
        node for node in ast.parse(TESTS.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    texts = [ast.get_docstring(function) for function in functions]
    return [f"| {' '.join(text.split())} |" for text in texts if text]


def updated(page: str) -> str:
    """Return the text of the page with the current table.

    Raises:
        ValueError: If the page does not have the two marks.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{PAGE}: must contain {BEGIN!r} and {END!r} once")
    before, rest = page.split(BEGIN)
    table = "\n".join(["| subject | Detectron2 | Detectory |", "|---|---|---|", *rows()])
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
