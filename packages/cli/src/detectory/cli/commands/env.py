"""`detectory env`: what is installed here, and what is wrong with it."""

import click

from detectory.cli.options import json_option


@click.command("env")
@json_option("the report, with an array of faults,")
def command(as_json: bool) -> None:
    """Tell versions, devices, and what is wrong here.

    Each fault of the installation comes with what mends it: requirements that are missing or of the wrong version,
    operators that do not load, a GPU that torch does not use, a cache that cannot be written to. Exits with 1 where
    there is one.

    \b
    Examples:
      detectory env
      detectory env --json > environment.json
    """
    from dataclasses import asdict

    from detectory.cli.installation import find_faults
    from detectory.cli.json_output import print_json
    from detectory.core.environment import collect_environment, format_environment
    from detectory.core.storage import cache_dir

    report = collect_environment() | {"cache": str(cache_dir())}
    faults = find_faults()
    if as_json:
        print_json({**report, "faults": [asdict(fault) for fault in faults]})
    else:
        click.echo(format_environment(report))
        click.echo(f"\n{len(faults)} faults" if faults else "\nno fault found")
        for fault in faults:
            click.echo(f"- {fault.what}\n  fix: {fault.fix}")
    if faults:
        raise click.exceptions.Exit(1)
