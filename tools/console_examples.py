"""Checks for the commands in `console` and `bash` blocks of Markdown pages; `detectory` commands can be run.

A check verifies that commands of `detectory` and their options exist, that recipes have the overridden keys, and that
nox sessions, packages, extras, modules and scripts exist. A comment above a block requests more:

* `<!-- run -->`: run the commands and compare their output with the lines below them; `...` matches any text.
* `<!-- run, exit code 1 -->`: the same for commands with this exit code.
* `<!-- run slowly -->`: run them if `DETECTORY_SLOW_EXAMPLES=1`, else only check them.
"""

import doctest
import importlib.metadata
import importlib.util
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner
from sybil import Example

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(r"<!-- run( slowly)?(?:, exit code (\d+))? -->\s*$")
#: Programs that are not checked.
_SHELL = {"cd", "cp", "export", "git", "ls", "sed", "source", "torchrun", "kill", "cmake", "nvcc", "eval"}
_OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def console_example(example: Example) -> str | None:
    """Check or run a block and return its first problem, or None."""
    mark = _MARK.search(example.document.text[: example.region.start])
    run_slow = os.environ.get("DETECTORY_SLOW_EXAMPLES") == "1"
    run = mark is not None and (run_slow or not mark[1])
    for command, expected in commands_of(str(example.parsed)):
        for words in split(command):
            problem = check(words)
            if problem is None and run and words[0] == "detectory":
                problem = run_detectory(words[1:], expected, exit_code=int((mark and mark[2]) or 0))
            if problem is not None:
                return f"{command}\n{problem}"
    return None


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command, with continuation lines joined, and its expected output."""
    prompted = any(line.startswith("$ ") for line in block.splitlines())
    lines = block.replace("\\\n", " ").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ") or (not prompted and line.strip())]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start].removeprefix("$ "), "".join(f"{line}\n" for line in lines[start + 1 : end])


def split(command: str) -> Iterator[list[str]]:
    """Yield the words of each command in a line, without comments, redirections and environment variables."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="&|><;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("&|><;"):
            words.append(word)
        elif words and word not in {">", "<"}:
            yield _without_variables(words)
            words = []
        elif word in {">", "<"}:
            words.append("\0")
    if words:
        raise ValueError(f"split: command {command!r} has an unfinished redirection")


def _without_variables(words: list[str]) -> list[str]:
    if "\0" in words:
        words = words[: words.index("\0")]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words or ["export"]


def check(words: list[str]) -> str | None:
    """Return the problem of a command, or None."""
    program, *arguments = words
    if program in {"python", "python3"}:
        return _check_python(arguments)
    known: dict[str, Callable[[list[str]], str | None]] = {
        "detectory": _check_detectory,
        "pip": _check_pip,
        "nox": _check_nox,
        ".ci/run": lambda _: None if (ROOT / ".ci" / "run").is_file() else ".ci/run: the file does not exist",
    }
    if program in known:
        return known[program](arguments)
    return None if program in _SHELL else f"{program}: unknown command"


def _check_detectory(arguments: list[str]) -> str | None:
    from detectory.cli import main

    group: click.Command = main
    context: click.Context | None = None
    name: str | None = "detectory"
    try:
        while True:
            context = group.make_context(name, list(arguments), parent=context)
            if not isinstance(group, click.Group):
                return _check_recipe(context)
            name, command, arguments = group.resolve_command(context, [*context._protected_args, *context.args])
            group = command or main
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        return error.format_message()


def _check_recipe(context: click.Context) -> str | None:
    """Return the problem of a zoo recipe or its overrides, or None; other recipes are the reader's files."""
    recipe = context.params.get("recipe") or context.params.get("model")
    if not isinstance(recipe, str) or not re.match(r"(COCO-|LVIS|new_base|PascalVOC|Cityscapes|Misc/)", recipe):
        return None
    from detectory.cli.lookup import detectron2_configs
    from detectory.compat.detectron2 import model_zoo
    from detectory.core.config import LazyConfig
    from detectory.engine.recipe.lookup import load_recipe

    try:
        if detectron2_configs.is_detectron2_config(recipe):
            config = model_zoo.get_config(recipe)
            config.merge_from_list(
                [part for text in context.params.get("overrides") or () for part in text.split("=", 1)]
            )
        else:
            LazyConfig.apply_overrides(load_recipe(recipe), list(context.params.get("overrides") or ()))
    except (LookupError, ValueError, OSError) as error:
        return str(error)
    return None


def _check_python(arguments: list[str]) -> str | None:
    if arguments[:1] == ["-m"]:
        module, rest = arguments[1], arguments[2:]
        if module in {"pip", "nox"}:
            return check([module, *rest])
        if module == "venv":
            return None
        return None if importlib.util.find_spec(module) else f"{module}: unknown module"
    script = next((word for word in arguments if not word.startswith("-")), "")
    if "/" in script and not (ROOT / script).is_file():
        return f"{script}: the file does not exist"
    return None


def _check_pip(arguments: list[str]) -> str | None:
    for word in arguments[1:]:
        path = word.removeprefix("./").partition("[")[0]
        if word.startswith("./") and path.islower() and not (ROOT / path / "pyproject.toml").is_file():
            return f"{path}: the package does not exist"
        if not word.startswith("detectory"):
            continue
        name, _, extras = word.rstrip("]").partition("[")
        folder = (name.partition("-")[2] or "cli").replace("-", "_")
        if not any((ROOT / kind / folder / "pyproject.toml").is_file() for kind in ("packages", "projects")):
            return f"{name}: the package does not exist"
        known = importlib.metadata.metadata(name).get_all("Provides-Extra") or []
        if missing := set(extras.split(",")) - {"", *known}:
            return f"{name}: unknown extras {', '.join(sorted(missing))}"
    return None


def _check_nox(arguments: list[str]) -> str | None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", text, flags=re.MULTILINE))
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    names = [word.partition("(")[0] for word in options if not word.startswith("-")]
    unknown = [name for name in names if name not in sessions]
    return f"unknown nox sessions: {', '.join(unknown)}" if unknown else None


def run_detectory(arguments: list[str], expected: str, *, exit_code: int) -> str | None:
    """Run the command in this process and return the difference from the page, or None."""
    from detectory.cli import main

    result = CliRunner().invoke(main, arguments)
    if result.exit_code != exit_code:
        return f"exit code {result.exit_code}, expected {exit_code}; the output is\n{result.output}"
    if expected and not doctest.OutputChecker().check_output(expected, result.output, _OUTPUT):
        return f"expected\n{expected}the output is\n{result.output}"
    return None
