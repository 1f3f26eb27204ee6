"""`detectory env`: versions, devices and installation problems."""

import click

from detectory.cli.options import json_option


@click.command("env")
@json_option("the report with an array of problems")
def command(as_json: bool) -> None:
    """Print versions and devices, and check the installation.

    Checks for missing or incompatible requirements, operators that cannot be loaded, a GPU that torch does not use, and
    a cache folder that is not writable. Every problem is printed with a fix. The exit code is 1 if there is one.

    \b
    Examples:
      detectory env
      detectory env --json > environment.json
    """
    from dataclasses import asdict

    from detectory.cli.installation import find_problems
    from detectory.cli.json_output import print_json
    from detectory.core.environment import collect_environment, format_environment
    from detectory.core.storage import cache_dir

    report = collect_environment() | {"cache": str(cache_dir())}
    problems = find_problems()
    if as_json:
        print_json({**report, "problems": [asdict(problem) for problem in problems]})
    else:
        click.echo(format_environment(report))
        count = "no problems" if not problems else "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        click.echo(f"\n{count} found")
        for problem in problems:
            click.echo(f"- {problem.description}\n  fix: {problem.fix}")
    if problems:
        raise click.exceptions.Exit(1)
