"""Options and arguments shared by several commands, with their help texts and shell completion."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from detectory.cli.lookup.zoo_names import zoo_names

Function = TypeVar("Function", bound=Callable[..., Any])

IMAGES_HELP = "Image folder for JSON annotation files."
ONLY_HELP = "If there are several annotation files, use those with this text in their file name or split."


def json_option(content: str) -> Callable[[Function], Function]:
    """Return the option `--json`, passed as `as_json`; print with `detectory.cli.json_output.print_json`.

    Args:
        content: The noun phrase of the help text, e.g. "the metrics".
    """
    return click.option("--json", "as_json", is_flag=True, help=f"Print {content} as JSON.")


def device_option(function: Function) -> Function:
    """Add the option `--device`."""
    explanation = "cpu, cuda, cuda:1, … (default: the config's device, or cpu if CUDA is unavailable)."
    return click.option("--device", help=explanation)(function)


def overwrite_option(function: Function) -> Function:
    """Add the option `--overwrite`."""
    explanation = "Replace existing files that this command did not write."
    return click.option("--overwrite", is_flag=True, help=explanation)(function)


def images_option(function: Function) -> Function:
    """Add the option `--images` of the `data` commands."""
    return click.option("--images", type=click.Path(exists=True, file_okay=False), help=IMAGES_HELP)(function)


def only_option(function: Function) -> Function:
    """Add the option `--only` of the `data` commands."""
    return click.option("--only", default="", help=ONLY_HELP)(function)


def target_option(function: Function) -> Function:
    """Add the option `--to` of the commands that write datasets, passed as `target`."""
    formats = click.Choice(["coco", "yolo", "voc", "labelme", "dota"])
    return click.option("--to", "target", type=formats, default="coco", help="The output format.")(function)


def image_files_option(function: Function) -> Function:
    """Add the option `--image-files` of the commands that write datasets."""
    explanation = "Copy the images to OUTPUT, create symbolic links, or write annotations only."
    choice = click.Choice(["copy", "link", "none"])
    return click.option("--image-files", type=choice, default="copy", help=explanation)(function)


def skip_objects_option(function: Function) -> Function:
    """Add the option `--skip-objects` of the commands that write datasets."""
    explanation = "Exit with code 0 even if objects could not be read or written."
    return click.option("--skip-objects", is_flag=True, help=explanation)(function)


class _BatchSize(click.ParamType):
    """A positive number or `auto`."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or the text."""
        if value == "auto" or isinstance(value, int):
            return value
        return click.IntRange(min=1).convert(value, param, ctx)


def plan_options(function: Function) -> Function:
    """Add the options of `detectory train` that set lines of the training plan."""
    options = [
        click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Passes over the training images."),
        click.option(
            "--batch", type=_BatchSize(), help="Images per iteration; auto finds the largest that fits on the GPU."
        ),
        click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate."),
        click.option("--image-size", type=click.IntRange(min=16), help="Length of the shorter image side in pixels."),
        click.option("--workers", type=click.IntRange(min=0), help="Processes that load images."),
        click.option("--eval-every", type=click.IntRange(min=0), help="Iterations between evaluations; 0: at the end."),
        click.option(
            "--from", "source", metavar="coco|imagenet|none|FILE", help="Initial weights; COCO if they are published."
        ),
        click.option("--dry-run", is_flag=True, help="Check data, model, evaluation and disk, then stop."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def recipe_argument(name: str = "recipe", **attributes: Any) -> Callable[[Function], Function]:
    """Return an argument that accepts a zoo name or a file; shells complete both."""
    return click.argument(name, shell_complete=complete_recipe, **attributes)


def complete_recipe(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the zoo names that start with `incomplete`, and an item that makes the shell complete files as well."""
    names = [name for name in zoo_names() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]
