"""Checks the commands in a Markdown page's `console` and `bash` blocks, or runs those of `detectory`.

Checked: a command of `detectory` exists with these options, a recipe of the zoo has the keys that are changed, a nox
session, a package and its extras, a module and a script exist. A comment above the block asks for more:

* `<!-- run -->`: run the commands and compare what they print with the lines below each; `...` stands for anything.
* `<!-- run, exit code 1 -->`: the same for commands that end so.
* `<!-- run slowly -->`: as the first, but only where `DETECTORY_SLOW_EXAMPLES=1`; else they are checked.
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
#: What a shell has everywhere, and names that stand for the reader's own.
_SHELL = {"cd", "cp", "export", "git", "ls", "sed", "source", "torchrun", "kill", "cmake", "nvcc", "eval"}
_OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def console_example(example: Example) -> str | None:
    """Check or run one block and return what is wrong with it, or None."""
    mark = _MARK.search(example.document.text[: example.region.start])
    slow_ones = os.environ.get("DETECTORY_SLOW_EXAMPLES") == "1"
    run = mark is not None and (slow_ones or not mark[1])
    for command, expected in commands_of(str(example.parsed)):
        for words in split(command):
            fault = check(words)
            if fault is None and run and words[0] == "detectory":
                fault = run_detectory(words[1:], expected, exit_code=int((mark and mark[2]) or 0))
            if fault is not None:
                return f"{command}\n{fault}"
    return None


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command, continued lines joined, and the lines that it prints."""
    prompted = any(line.startswith("$ ") for line in block.splitlines())
    lines = block.replace("\\\n", " ").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ") or (not prompted and line.strip())]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start].removeprefix("$ "), "".join(f"{line}\n" for line in lines[start + 1 : end])


def split(command: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, without comments, redirections and settings of the environment."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="&|><;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("&|><;"):
            words.append(word)
        elif words and word not in {">", "<"}:
            yield _without_settings(words)
            words = []
        elif word in {">", "<"}:
            words.append("\0")
    if words:
        raise ValueError(f"cannot read the command {command!r}")


def _without_settings(words: list[str]) -> list[str]:
    if "\0" in words:
        words = words[: words.index("\0")]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words or ["export"]


def check(words: list[str]) -> str | None:
    """Return why a command cannot be right, or None."""
    program, *arguments = words
    if program in {"python", "python3"}:
        return _check_python(arguments)
    known: dict[str, Callable[[list[str]], str | None]] = {
        "detectory": _check_detectory,
        "pip": _check_pip,
        "nox": _check_nox,
        ".ci/run": lambda _: None if (ROOT / ".ci" / "run").is_file() else "no such file",
    }
    if program in known:
        return known[program](arguments)
    return None if program in _SHELL else f"{program}: not a command that this check knows"


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
            name, found, arguments = group.resolve_command(context, [*context._protected_args, *context.args])
            group = found or main
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        return error.format_message()


def _check_recipe(context: click.Context) -> str | None:
    """Recipes of the zoo exist and have the keys that are changed; one's own file is the reader's."""
    recipe = context.params.get("recipe") or context.params.get("model")
    if not isinstance(recipe, str) or not re.match(r"(COCO-|LVIS|new_base|PascalVOC|Cityscapes|Misc/)", recipe):
        return None
    from detectory.cli.lookup import detectron2_configs, recipes
    from detectory.compat.detectron2 import model_zoo

    try:
        if detectron2_configs.is_detectron2_config(recipe):
            config = model_zoo.get_config(recipe)
            config.merge_from_list(
                [part for text in context.params.get("overrides") or () for part in text.split("=", 1)]
            )
        else:
            recipes.apply_overrides(recipes.load_recipe(recipe), context.params.get("overrides") or ())
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
        return None if importlib.util.find_spec(module) else f"no module {module}"
    script = next((word for word in arguments if not word.startswith("-")), "")
    if "/" in script and not (ROOT / script).is_file():
        return f"no file {script}"
    return None


def _check_pip(arguments: list[str]) -> str | None:
    for word in arguments[1:]:
        path = word.removeprefix("./").partition("[")[0]
        if word.startswith("./") and path.islower() and not (ROOT / path / "pyproject.toml").is_file():
            return f"no package {path}"
        if not word.startswith("detectory"):
            continue
        name, _, extras = word.rstrip("]").partition("[")
        if not (ROOT / "packages" / (name.partition("-")[2] or "cli") / "pyproject.toml").is_file():
            return f"no package {name}"
        known = importlib.metadata.metadata(name).get_all("Provides-Extra") or []
        if missing := set(extras.split(",")) - {"", *known}:
            return f"{name}: no extra {', '.join(sorted(missing))}"
    return None


def _check_nox(arguments: list[str]) -> str | None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", text, flags=re.MULTILINE))
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    wanted = [word.partition("(")[0] for word in options if not word.startswith("-")]
    unknown = [name for name in wanted if name not in sessions]
    return f"no nox session {', '.join(unknown)}" if unknown else None


def run_detectory(arguments: list[str], expected: str, *, exit_code: int) -> str | None:
    """Run the command in this process and return what differs from the page, or None."""
    from detectory.cli import main

    result = CliRunner().invoke(main, arguments)
    if result.exit_code != exit_code:
        return f"exit code {result.exit_code}, expected {exit_code}; it printed\n{result.output}"
    if expected and not doctest.OutputChecker().check_output(expected, result.output, _OUTPUT):
        return f"expected\n{expected}it printed\n{result.output}"
    return None
