"""The root command group: lazy imports of commands, one-line errors and exit codes."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from detectory.cli.errors import FAILED, INTERRUPTED, USAGE_ERROR, describe_error
from detectory.core.suggestions import nearest

#: Command name -> module of `detectory.cli.commands` that defines it under the name `command`.
_COMMANDS = {
    "benchmark": "benchmark",
    "completion": "completion",
    "config": "config",
    "convert": "convert",
    "data": "data",
    "demo": "demo",
    "env": "env",
    "eval": "evaluate",
    "export": "export",
    "new-project": "new_project",
    "plot": "plot",
    "predict": "predict",
    "report": "report",
    "train": "train",
    "zoo": "zoo",
}

_HELP = """Object detection and segmentation from the command line.

\b
Examples:
  detectory demo                                     a complete example in a few minutes
  detectory data check my_dataset/                   report annotation errors
  detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py --data my_dataset/
  detectory export output/ --format onnx             a verified file for other runtimes
  detectory predict images/*.jpg --run output/       annotated images and COCO results

\b
Exit codes: 0 success; 1 failure, or problems were found; 2 usage error; 70 internal error;
130 interrupted; 143 terminated. Errors are printed as one line on standard error.
--debug, anywhere on the line, prints the full traceback.
"""


class Commands(click.Group):
    """Command group that imports a command on first use, so that `--help` does not import torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in alphabetical order."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if it does not exist."""
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"detectory.cli.commands.{_COMMANDS[cmd_name]}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command named by the arguments; the error for an unknown name suggests the nearest one."""
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
        """Run the command line and exit; errors become one line on standard error and an exit code.

        With `standalone_mode=False` the result is returned and exceptions propagate, as in click.
        """
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments
        arguments = [argument for argument in arguments if argument != "--debug"]
        if not standalone_mode:
            return super().main(arguments, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(arguments, prog_name, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(USAGE_ERROR)
        except click.Abort:
            _exit_with("interrupted", INTERRUPTED)
        except BrokenPipeError:
            # The reader of our output (e.g. `| head`) has exited. Redirect stdout, so that the interpreter does not
            # fail again when it flushes the closed pipe at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)
        except Exception as error:  # noqa: BLE001 - reports every error to the user
            if debug:
                traceback.print_exception(error)
            _exit_with(*describe_error(error))
        sys.exit(code if isinstance(code, int) else 0)


def _exit_with(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


@click.command(
    "detectory",
    cls=Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
)
@click.option("--debug", is_flag=True, help="Print the full traceback of an error.")
@click.version_option(package_name="detectory")
def main(debug: bool) -> None:
    """Run the command `detectory`; the help text is `_HELP`."""
