"""Printing and verification of results under Detectron2's module path."""

from collections.abc import Mapping
from typing import Any

from detectory import evaluation as native
from detectory.compat.detectron2.config import CfgNode
from detectory.evaluation import flatten_results_dict, print_csv_format

__all__ = ["flatten_results_dict", "print_csv_format", "verify_results"]


def verify_results(cfg: CfgNode, results: Mapping[str, Any]) -> bool:
    """Compare results with `TEST.EXPECTED_RESULTS`.

    Returns:
        True if all expectations are met.

    Raises:
        SystemExit: If an expectation is not met (with code 1, so that accuracy tests fail).
    """
    if not native.verify_results(cfg.TEST.EXPECTED_RESULTS, results):
        raise SystemExit(1)
    return True
