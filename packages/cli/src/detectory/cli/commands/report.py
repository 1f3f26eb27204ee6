"""`detectory report`: the report page of a training run."""

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The dataset, if it was moved since the training.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The page to write (default: RUN/report.html)."
)
def command(run: Path, data: Path | None, output: Path | None) -> None:
    """Write the report of a training run again.

    RUN is a run folder of `detectory train`, finished or not. The page contains metrics, curves, the plan, the errors
    of the best evaluation, random images with their predictions, time, memory and the environment. `detectory train`
    writes the same page at its end; a stopped training leaves out what takes long.

    \b
    Examples:
      detectory report run/
      detectory report run/ --data moved_dataset/ --output report.html
    """
    from detectory.cli.lookup import runs
    from detectory.engine.report import format_summary, read_run, write_report

    summary = read_run(run)
    runs.register_datasets(run, data)
    page = write_report(run, output=output)
    click.echo(f"{format_summary(summary)}\n\n{page}")
