"""The group of commands: imports a command when it is called, turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import traceback
from typing import Any

import click

#: Command -> the module of `detectory.cli.commands` that holds it as `command`. Heavy imports wait until it runs.
_COMMANDS = {
    "data": "data",
    "demo": "demo",
    "env": "env",
    "eval": "evaluate",
    "predict": "predict",
    "train": "train",
}

_HELP = """Detection and segmentation: train, evaluate, predict, check data.

\b
Examples:
  detectory demo                                     see all of it in some minutes
  detectory data check my_dataset/                   every fault of a COCO-format dataset
  detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py --data my_dataset/
  detectory predict photos/*.jpg --run output/       annotated pictures and a COCO-results JSON

\b
Exit codes: 0 done, 1 failed (the reason is one line on the standard error), 2 wrong usage,
130 interrupted. `--debug` before the command shows the whole trace of an error.
"""

#: What a person's input, files or machine can cause. Anything else is our fault and shows its trace.
_EXPLAINED = (ValueError, TypeError, LookupError, OSError, RuntimeError, ArithmeticError, ImportError, MemoryError)


class Commands(click.Group):
    """A group whose commands are imported when they are asked for, so that `--help` does not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are shown."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or return None where no such command exists."""
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"detectory.cli.commands.{_COMMANDS[cmd_name]}").command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an explained error becomes one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except _EXPLAINED as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            raise click.ClickException(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    """The message of an error: a KeyError's without quotes, a loader worker's without the trace that torch puts in."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if "DataLoader worker process" in text and "Traceback" in text:
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return text.strip() or type(error).__name__


@click.command(
    cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--debug", is_flag=True, help="Show the whole trace of an error.")
@click.version_option(package_name="detectory")
def main(debug: bool) -> None:
    """The entry point of the command `detectory`; its help text is `_HELP`."""
