"""`detectory env`: what is installed here, and what is wrong with it."""

from __future__ import annotations

import json

import click

from detectory.cli.options import json_option


@click.command("env")
@json_option("the report")
def command(as_json: bool) -> None:
    """Tell versions, devices, and what is wrong here.

    \b
    Examples:
      detectory env
      detectory env --json > environment.json
    """
    from detectory.core.environment import collect_environment, format_environment

    report = collect_environment()
    click.echo(json.dumps(report, indent=2, default=str) if as_json else format_environment(report))
