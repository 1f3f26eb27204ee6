"""`detectory plot`: training curves of one or more runs."""

from pathlib import Path

import click

from detectory.cli.options import overwrite_option


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("curves.html"),
    help="The file to write: .html, .png or .svg.",
)
@overwrite_option
@click.option(
    "--metric", "patterns", multiple=True, help="Plot scalars of this name or pattern, e.g. 'loss*'; repeatable."
)
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.6,
    help="Exponential smoothing of losses and times; 0 disables it.",
)
@click.option("--log", "log_y", is_flag=True, help="Use a logarithmic axis for losses.")
def command(
    runs: tuple[Path, ...], output: Path, overwrite: bool, patterns: tuple[str, ...], smoothing: float, log_y: bool
) -> None:
    """Plot the training curves of one or more runs.

    RUN is a run folder or its metrics.json. With several runs, every plot compares one scalar across the runs. The
    suffix of --output selects the format: .html (a self-contained page), .png or .svg.

    \b
    Examples:
      detectory plot output/
      detectory plot runs/a runs/b --metric 'bbox/AP*' --metric total_loss --output compare.png
    """
    from detectory.cli.pages.training_curves import write_curves
    from detectory.core.storage import OutputFiles
    from detectory.engine.report import plot_curves, read_history

    outputs = OutputFiles(output.parent, overwrite=overwrite)
    outputs.check([output.name])
    histories = {name: read_history(run) for name, run in _run_names(runs).items()}
    plots = plot_curves(histories, patterns=patterns, smoothing=smoothing, log_y=log_y)
    with outputs.replacing(output.name) as file:
        write_curves(plots, file, title=", ".join(histories))
    counts = [
        f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in ((len(plots), "plot"), (len(histories), "run"))
    ]
    click.echo(f"{counts[0]} of {counts[1]}: {output}")


def _run_names(runs: tuple[Path, ...]) -> dict[str, Path]:
    """Map run names to paths: the folder's name, or the path as given if several folders share that name."""
    folders = [(run.parent if run.is_file() else run).resolve() for run in runs]
    names = {}
    for run, folder in zip(runs, folders, strict=True):
        is_unique = sum(other.name == folder.name for other in folders) == 1
        names[folder.name if is_unique else str(run)] = run
    return names
