"""`detectory data`: looks into datasets, converts and prepares them."""

import importlib

import click

_COMMANDS = ("check", "convert", "prepare", "show", "stats")


class _DataCommands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are shown."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or return None where no such command exists."""
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"{__name__}.{cmd_name}").command


@click.command("data", cls=_DataCommands)
def command() -> None:
    """Check, count, show, convert and prepare datasets.

    \b
    Examples:
      detectory data check my_dataset/
      detectory data stats my_dataset/ --page dataset.html

    Wherever a command takes a dataset, this may be: a folder in COCO layout, a COCO, LVIS or panoptic JSON file, a JSON
    file with dataset dicts, a Pascal VOC, YOLO or LabelMe folder, or the name of a built-in dataset such as
    coco_2017_val below $DETECTORY_DATASETS.
    """
