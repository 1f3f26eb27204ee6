"""`detectory data check`: validation of a dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.commands.data.progress import progress_bar
from detectory.cli.options import images_option, json_option

if TYPE_CHECKING:
    from detectory.data.validation import RuleReport


@click.command("check")
@click.argument("path")
@images_option
@click.option("--decode", is_flag=True, help="Decode every image, and compare panoptic PNG files with their segments.")
@json_option("the problems per rule")
@click.option("--limit", default=5, type=click.IntRange(min=0), help="Maximum number of problems to print per rule.")
def command(path: str, images: str | None, decode: bool, as_json: bool, limit: int) -> None:
    """Report all problems of a dataset by rule, file, id and field.

    PATH is a dataset in COCO, LVIS, COCO panoptic, Pascal VOC, YOLO or LabelMe format, or the name of a registered
    dataset. In a folder, all annotation files are checked.

    Every rule is an error (training or evaluation rejects the dataset, or the annotations are certainly wrong) or a
    warning (some annotations are probably wrong, or are ignored). The exit code is 1 if there are errors, and 0 if
    there are only warnings.

    \b
    Examples:
      detectory data check my_dataset/
      detectory data check my_dataset/annotations/instances_train.json --json
      detectory data check coco/annotations/panoptic_val2017.json --decode
    """
    from detectory.cli.json_output import print_json
    from detectory.data.validation import check_dataset, group_problems

    with progress_bar("checking") as advance:
        reports = group_problems(check_dataset(path, images, decode=decode, progress=advance))
    errors, warnings = (_count(reports, severity) for severity in ("error", "warning"))
    if as_json:
        rules = [_as_dict(report, limit) for report in reports]
        print_json({"path": path, "errors": errors, "warnings": warnings, "rules": rules})
    else:
        for report in reports:
            _print_report(report, limit)
        counts = [_phrase(errors, "error")] * bool(errors) + [_phrase(warnings, "warning")] * bool(warnings)
        click.echo(f"{path}: {', '.join(counts) or '0 problems'}")
    if errors:
        raise click.exceptions.Exit(1)


def _count(reports: Sequence["RuleReport"], severity: str) -> int:
    return sum(len(report.problems) for report in reports if report.rule.severity == severity)


def _phrase(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _print_report(report: "RuleReport", limit: int) -> None:
    rule, count = report.rule, len(report.problems)
    click.echo(f"{rule.severity} {rule.name} ({count}): {rule.meaning}")
    for problem in report.problems[:limit]:
        click.echo(f"  {problem}")
    if count > limit:
        click.echo(f"  … and {count - limit} more")
    if rule.hint:
        click.echo(f"  hint: {rule.hint}")


def _as_dict(report: "RuleReport", limit: int) -> dict[str, Any]:
    rule = report.rule
    fields = ("file", "id", "field", "value", "message")
    return {
        "rule": rule.name,
        "severity": rule.severity,
        "meaning": rule.meaning,
        "hint": rule.hint,
        "count": len(report.problems),
        "examples": [{field: getattr(problem, field) for field in fields} for problem in report.problems[:limit]],
    }
