"""`detectory plot`: the curves of one or more runs, as a page or a picture."""

from pathlib import Path

import click


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("curves.html"),
    show_default=True,
    help="The file to write: .html, .png or .svg.",
)
@click.option("--metric", "patterns", multiple=True, help="Only scalars of this name or pattern, e.g. 'loss*'.")
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.6,
    show_default=True,
    help="The weight of the past in the curves of noisy scalars.",
)
@click.option("--log", "log_y", is_flag=True, help="A logarithmic axis for losses.")
def command(runs: tuple[Path, ...], output: Path, patterns: tuple[str, ...], smoothing: float, log_y: bool) -> None:
    """Draw the curves of training runs.

    RUN is a run's folder or its metrics.json. With several runs each plot compares one scalar of all.
    The output's suffix says what is written: .html (one self-contained page), .png or .svg.

    \b
    Examples:
      detectory plot output/
      detectory plot runs/a runs/b --metric 'bbox/AP*' --metric total_loss --output compare.png
    """
    from detectory.cli.pages.training_curves import draw_curves, read_run, write_curves

    histories = {name: read_run(run) for name, run in _names(runs).items()}
    plots = draw_curves(histories, patterns=patterns, smoothing=smoothing, log_y=log_y)
    write_curves(plots, output, title=", ".join(histories))
    click.echo(f"{len(plots)} plots of {len(histories)} run{'s' if len(histories) > 1 else ''}: {output}")


def _names(runs: tuple[Path, ...]) -> dict[str, Path]:
    """Name each run by its folder, by more of its path where two folders are called the same."""
    folders = [(run.parent if run.is_file() else run).resolve() for run in runs]
    names = {}
    for run, folder in zip(runs, folders, strict=True):
        is_unique = sum(other.name == folder.name for other in folders) == 1
        names[folder.name if is_unique else str(run)] = run
    return names
