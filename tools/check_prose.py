"""Check the language of the repository: glossary, docstring dialect and logger names.

    python tools/check_prose.py [PATH ...]

Checked are docstrings, comments, messages and Markdown, and the names of functions, classes and parameters:

* **Glossary**: the phrases in the first column of the tables in `docs/style.md`. Code in backticks is skipped.
* **Dialect**: single backticks, no Sphinx roles, uppercase after `name: ` in `Args:` and `Attributes:`, and "If" at the
  start of every entry in `Raises:`.
* **Loggers**: `_logger = logging.getLogger(__name__)` is the only name of a module's logger, except in
  `compat.detectron2`, where `logger` is part of Detectron2's interface.

Each problem is one line, `PATH:LINE: problem`. The exit code is 1 if there are problems.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "style.md"
#: Texts that are quoted from elsewhere or written by programs.
EXCLUDED = ("tests/golden/", "LICENSE")
CPP_SUFFIXES = {".cpp", ".cu", ".cuh", ".h"}

_ROLE = re.compile(r":(?:py:)?(?:class|func|meth|mod|attr|data|exc|obj):`")
_SECTION = re.compile(r"^( *)(Args|Arguments|Attributes|Keyword Args|Raises):$")
_ENTRY = re.compile(r"^ *(?:\*{0,2}[\w`.]+(?: \([^)]*\))?)(?:, \*{0,2}[\w`.]+(?: \([^)]*\))?)*: *(.*)$")
_CODE = re.compile(r"`[^`]*`")
_CPP_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Term:
    """One row of the glossary: phrases to avoid, what to write, and phrases that are allowed nevertheless."""

    avoid: re.Pattern[str]
    write: str
    allowed: re.Pattern[str] | None

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches of `avoid` that are not part of an allowed phrase."""
        allowed = [match.span() for match in self.allowed.finditer(text)] if self.allowed else []
        for match in self.avoid.finditer(text):
            if not any(start <= match.start() and match.end() <= end for start, end in allowed):
                yield match


@dataclass(frozen=True)
class Text:
    """A piece of prose: where it starts, what it is and its characters."""

    line: int
    category: str  # "docstring", "message", "comment" or "markdown"
    characters: str


def read_glossary(markdown: str, heading: str) -> list[Term]:
    """Read the table below a heading: phrases to avoid, what to write, allowed phrases.

    Phrases are in backticks and match whole words; the first letter may have either case. `~` at the end of a phrase
    matches any word, `N` a number.

    Raises:
        ValueError: If the heading has no table.
    """
    section = markdown.partition(f"\n{heading}\n")[2].split("\n#")[0]
    rows = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    if not rows:
        raise ValueError(f"no table of phrases below {heading!r}")
    return [
        Term(_pattern(avoid), write.strip(), _pattern(allowed) if "`" in allowed else None)
        for avoid, write, allowed in rows
    ]


def _pattern(cell: str) -> re.Pattern[str]:
    phrases = []
    for phrase in re.findall(r"`([^`]+)`", cell):
        first, rest = phrase[0], re.escape(phrase[1:]).replace(r"\ ", r"\s+").replace("N", r"\d+")
        phrases.append(f"[{first.upper()}{first.lower()}]" + re.sub(r"\\?~$", "[A-Za-z]+", rest))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(phrases)})(?![\w-])")


def python_texts(source: str) -> Iterator[Text]:
    """Yield the docstrings, the messages (other strings of at least four words) and the comments of a module."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                docstrings.add(first.value)
                yield Text(first.lineno, "docstring", first.value.value)
    for node in ast.walk(tree):
        is_string = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
        if is_string and node.value.count(" ") >= 3:
            yield Text(node.lineno, "message", node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(noqa|type:|!|fmt:|pragma)", token.string):
            yield Text(token.start[0], "comment", token.string.lstrip("#: "))


def cpp_texts(source: str) -> Iterator[Text]:
    """Yield the comments of C++ source text."""
    for match in _CPP_COMMENT.finditer(source):
        yield Text(source.count("\n", 0, match.start()) + 1, "comment", match[0].strip("/* "))


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the lines of a page outside code blocks."""
    fenced = False
    for number, line in enumerate(source.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield Text(number, "markdown", line)


def glossary_problems(text: Text, glossary: list[Term]) -> Iterator[tuple[int, str]]:
    """Yield the line and description of every phrase of a text that the glossary replaces."""
    # Keep the length of code, so that positions and lines stay the same.
    prose = _CODE.sub(lambda match: re.sub(r"[^\n]", "\0", match[0]), text.characters)
    for term in glossary:
        for match in term.matches(prose):
            line = text.line + text.characters.count("\n", 0, match.start())
            yield line, f"{' '.join(match[0].split())!r}: write {term.write}"


def dialect_problems(text: Text) -> Iterator[tuple[int, str]]:
    """Yield the line and description of every departure of a docstring or comment from the dialect."""
    section, indent = "", 0
    for line, row in enumerate(text.characters.splitlines(), start=text.line):
        if re.search(r"(?<!`)``(?!`)", row):
            yield line, "double backticks: code has single ones"
        if _ROLE.search(row):
            yield line, "Sphinx role: code has backticks only"
        if match := _SECTION.match(row):
            section, indent = match[2], len(match[1]) + 4
            continue
        depth = len(row) - len(row.lstrip())
        if row.strip() and depth < indent:
            section, indent = "", 0
        if not section or depth != indent or not (entry := _ENTRY.match(row)) or not entry[1]:
            continue
        if section == "Raises" and not entry[1].startswith("If "):
            yield line, f'entry of Raises that does not begin with "If": {entry[1]!r}'
        elif section != "Raises" and entry[1][0].islower():
            yield line, f"entry of {section} in lowercase: {entry[1]!r}"


def definition_problems(source: str, names: list[Term], *, logger: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the line and description of module loggers and of names that do not follow the style."""
    tree = ast.parse(source)
    for node in tree.body if logger else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "logging.getLogger(__name__)":
            name = ast.unparse(node.targets[0])
            if name != "_logger":
                yield node.lineno, f"logger {name!r}: the module's logger is named '_logger'"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        else:
            continue
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
        for term in names:
            for match in term.matches(words):
                yield node.lineno, f"name {name!r} has {match[0]!r}: write {term.write}"


def check_file(path: Path, phrases: list[Term], names: list[Term]) -> list[str]:
    """Return the problems of one file as lines `PATH:LINE: problem`."""
    source = path.read_text(encoding="utf-8")
    problems: list[tuple[int, str]] = []
    if path.suffix == ".md":
        texts = list(markdown_texts(source))
    elif path.suffix == ".py":
        texts = list(python_texts(source))
        problems += definition_problems(source, names, logger="compat/detectron2/" not in path.as_posix())
    else:
        texts = list(cpp_texts(source))
    for text in texts:
        problems += glossary_problems(text, phrases)
        if text.category in {"docstring", "comment"} and path.suffix == ".py":
            problems += dialect_problems(text)
    return [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}: {problem}"
        for line, problem in sorted(problems)
    ]


def tracked_files(*paths: str) -> list[Path]:
    """Return the Python, C++ and Markdown files that git knows below the paths, or new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    chosen = [name for name in names if Path(name).suffix in {".py", ".md"} | CPP_SUFFIXES and (ROOT / name).is_file()]
    return [ROOT / name for name in sorted(set(chosen)) if not name.startswith(EXCLUDED)]


def main(paths: list[str]) -> int:
    """Print the problems of all files and return the exit code."""
    style = GLOSSARY.read_text(encoding="utf-8")
    phrases, names = read_glossary(style, "### Phrases"), read_glossary(style, "### Names")
    problems = [problem for path in tracked_files(*paths) for problem in check_file(path, phrases, names)]
    print("\n".join(problems) or "The language is as docs/style.md describes it.")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
