"""Options and arguments that several commands share, so that they are named, explained and completed alike."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(what: str) -> Callable[[Function], Function]:
    """Return the option `--json`, passed as `as_json`; print with `detectory.cli.json_output.print_json`."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON, for programs.")


def device_option(function: Function) -> Function:
    """Add the option `--device`."""
    explanation = "cpu, cuda, cuda:1, … (default: the recipe's, or cpu where there is no CUDA device)."
    return click.option("--device", help=explanation)(function)


def recipe_argument(name: str = "recipe", **attributes: Any) -> Callable[[Function], Function]:
    """Return an argument that takes a recipe: a zoo name or a file; a shell completes both."""
    return click.argument(name, shell_complete=complete_recipe, **attributes)


def complete_recipe(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the zoo's names that start with what was typed, and leave the rest to the shell's files.

    The names are read from the zoo's files: importing the zoo takes seconds, which is too long for a key press.
    """
    names = [name for name in zoo_names() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def zoo_names() -> list[str]:
    """Return names of the zoo's recipes, without suffix and without importing the zoo."""
    names: set[str] = set()
    for file in _folder("detectory.zoo").glob("recipes/**/*.py"):
        names.update(re.findall(r'^@recipe\("([^"]+)"\)', file.read_text(encoding="utf-8"), re.MULTILINE))
    configs = _folder("detectory.compat") / "detectron2" / "model_zoo" / "configs"
    names.update(file.relative_to(configs).with_suffix("").as_posix() for file in configs.glob("**/*.yaml"))
    rows = json.loads((_folder("detectory.zoo") / "weights.json").read_text(encoding="utf-8"))
    names.update(row["name"] for row in rows)
    return sorted(names)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0])
