"""Results as lines to paste into a spreadsheet, and results against what was expected of them."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any


def print_csv_format(results: Mapping[str, Any]) -> None:
    """Log the main metrics of each task as comma-separated lines.

    Args:
        results: Task name to {metric name: number}; metrics with a "-" in their name (those of single classes) are
            left out, and a task that is no mapping is logged as it is.
    """
    logger = logging.getLogger(__name__)
    for task, metrics in results.items():
        if isinstance(metrics, Mapping):
            main = [(name, value) for name, value in metrics.items() if "-" not in name]
            logger.info("copypaste: Task: %s", task)
            logger.info("copypaste: %s", ",".join(name for name, _ in main))
            logger.info("copypaste: %s", ",".join(f"{value:.4f}" for _, value in main))
        else:
            logger.info("copypaste: %s=%s", task, metrics)


def verify_results(expected: Sequence[Sequence[Any]], results: Mapping[str, Any]) -> bool:
    """Compare results with what was expected.

    Args:
        expected: Tuples (task, metric, value, tolerance), such as ("bbox", "AP", 38.5, 0.2).
        results: Task name to {metric name: number}.

    Returns:
        True where each metric is there, finite and at most `tolerance` away from its value; else False, and an error
        is logged for each that is not.
    """
    logger = logging.getLogger(__name__)
    good = True
    for task, metric, value, tolerance in expected:
        actual = results.get(task, {}).get(metric)
        if actual is None or not math.isfinite(actual) or abs(actual - value) > tolerance:
            logger.error("verify_results: %s %s is %s, expected %s within %s", task, metric, actual, value, tolerance)
            good = False
    if good:
        logger.info("verify_results: all %d expected results are met", len(expected))
    return good


def flatten_results_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Turn nested results into one level: `{"bbox": {"AP": 1}}` becomes `{"bbox/AP": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}/{inner}": item for inner, item in flatten_results_dict(value).items()})
        else:
            flat[name] = value
    return flat
