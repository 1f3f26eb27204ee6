"""The group of commands: imports a command when it is called, turns errors into one line and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from detectory.cli.errors import FAILED, INTERRUPTED, WRONG_USAGE, explain
from detectory.core.suggestions import nearest

#: Command -> the module of `detectory.cli.commands` that holds it as `command`. Heavy imports wait until it runs.
_COMMANDS = {
    "benchmark": "benchmark",
    "completion": "completion",
    "config": "config",
    "data": "data",
    "demo": "demo",
    "env": "env",
    "eval": "evaluate",
    "plot": "plot",
    "predict": "predict",
    "train": "train",
    "zoo": "zoo",
}

_HELP = """Detection and segmentation from the command line.

\b
Examples:
  detectory demo                                     see all of it in some minutes
  detectory data check my_dataset/                   every problem of a COCO-format dataset
  detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py --data my_dataset/
  detectory predict photos/*.jpg --run output/       annotated pictures and a COCO-results JSON

\b
Exit codes: 0 done; 1 failed, or problems were found; 2 wrong usage; 70 a fault of detectory itself;
130 interrupted; 143 terminated. The reason is one line on the standard error; `--debug`, anywhere
on the line, shows the whole trace.
"""


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; an unknown name is answered with the nearest."""
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no such command '{args[0]}': {nearest(args[0], _COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; every error becomes one line on the standard error and an exit code."""
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given
        given = [argument for argument in given if argument != "--debug"]
        if not standalone_mode:
            return super().main(given, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(given, prog_name, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(WRONG_USAGE)
        except click.Abort:
            _leave("interrupted", INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output (`| head`) has enough of it; the interpreter must not flush into the closed pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)
        except Exception as error:  # noqa: BLE001 - the last place that can tell a person about it
            if debug:
                traceback.print_exception(error)
            _leave(*explain(error))
        sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


@click.command(
    "detectory",
    cls=Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
)
@click.option("--debug", is_flag=True, help="Show the whole trace of an error.")
@click.version_option(package_name="detectory")
def main(debug: bool) -> None:
    """The entry point of the command `detectory`; its help text is `_HELP`."""
