"""Results as text, and their check, under Detectron2's module path."""

from collections.abc import Mapping
from typing import Any

from detectory import evaluation as native
from detectory.compat.detectron2.config import CfgNode
from detectory.evaluation import flatten_results_dict, print_csv_format

__all__ = ["flatten_results_dict", "print_csv_format", "verify_results"]


def verify_results(cfg: CfgNode, results: Mapping[str, Any]) -> bool:
    """Compare results with `TEST.EXPECTED_RESULTS`.

    Returns:
        True when all are met.

    Raises:
        SystemExit: one is not, with code 1, so that a script that tests accuracy fails.
    """
    if not native.verify_results(cfg.TEST.EXPECTED_RESULTS, results):
        raise SystemExit(1)
    return True
