"""`detectory new-project`: a package for a new model."""

from pathlib import Path

import click


@click.command("new-project")
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the project; by default its name in the current folder.",
)
def command(name: str, output: Path | None) -> None:
    """Create a package for a new model, with a recipe and tests.

    The recipe trains at once; replace the example by your own parts. NAME consists of lowercase words, separated by
    hyphens.

    \b
    Examples:
      detectory new-project sharp-boxes
      detectory new-project sharp-boxes --output projects/sharp_boxes
    """
    from detectory.cli.new_project import create_project

    folder = output or Path(name.replace("-", "_"))
    try:
        files = create_project(name, folder)
    except (ValueError, FileExistsError) as error:
        raise click.UsageError(str(error).removeprefix("new-project: ")) from error
    for file in files:
        click.echo(file)
    click.echo(f"Next: pip install -e {folder}, then see {folder / 'README.md'}", err=True)
