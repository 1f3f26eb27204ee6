"""Validation of datasets: `check_dataset` finds all problems in one run, `RULES` describes them."""

from .dataset import check_dataset
from .report import RuleReport, group_problems
from .rules import RULES, Rule

__all__ = ["RULES", "Rule", "RuleReport", "check_dataset", "group_problems"]
