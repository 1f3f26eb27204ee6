"""Problems grouped by rule."""

from collections.abc import Iterable
from dataclasses import dataclass

from detectory.data.problems import Problem

from .rules import RULES, Rule


@dataclass(frozen=True)
class RuleReport:
    """All problems with one rule.

    Attributes:
        rule: The violated rule.
        problems: The problems, in the order of the files.
    """

    rule: Rule
    problems: tuple[Problem, ...]


def group_problems(problems: Iterable[Problem]) -> list[RuleReport]:
    """Group problems by rule, in the order of `RULES`: errors before warnings."""
    groups: dict[str, list[Problem]] = {name: [] for name in RULES}
    for problem in problems:
        groups[problem.rule].append(problem)
    return [RuleReport(RULES[name], tuple(group)) for name, group in groups.items() if group]
