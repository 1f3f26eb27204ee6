"""`detectory data`: validation, statistics, display and conversion of datasets."""

import importlib

import click

_COMMANDS = ("check", "convert", "merge", "prepare", "show", "split", "stats")


class _DataCommands(click.Group):
    """Command group that imports a command on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in alphabetical order."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if it does not exist."""
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"{__name__}.{cmd_name}").command


@click.command("data", cls=_DataCommands)
def command() -> None:
    """Check, analyze, show, convert, split and merge datasets.

    \b
    Examples:
      detectory data check my_dataset/
      detectory data stats my_dataset/ --page dataset.html

    All commands accept a dataset in COCO, LVIS, COCO panoptic, Pascal VOC, YOLO, LabelMe, CVAT, VIA or Datumaro format,
    a CSV table, a folder of instance masks, a JSON file of dataset dicts, or the name of a built-in dataset, such as
    coco_2017_val, which is read from $DETECTORY_DATASETS.
    """
