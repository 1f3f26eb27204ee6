"""Output of results for spreadsheets, comparison with expected results, and flattening."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

_logger = logging.getLogger(__name__)


def print_csv_format(results: Mapping[str, Any]) -> None:
    """Log the main metrics of each task as comma-separated lines, to paste into a spreadsheet.

    Args:
        results: Task name to {metric name: value}. Metrics with a "-" in their name (those of single classes) are
            left out. A task that is not a mapping is logged as one value.
    """
    for task, metrics in results.items():
        if isinstance(metrics, Mapping):
            main = [(name, value) for name, value in metrics.items() if "-" not in name]
            _logger.info("copypaste: Task: %s", task)
            _logger.info("copypaste: %s", ",".join(name for name, _ in main))
            _logger.info("copypaste: %s", ",".join(f"{value:.4f}" for _, value in main))
        else:
            _logger.info("copypaste: %s=%s", task, metrics)


def verify_results(expected: Sequence[Sequence[Any]], results: Mapping[str, Any]) -> bool:
    """Compare results with expected results, and log an error for each difference.

    Args:
        expected: Tuples (task, metric, value, tolerance), such as ("bbox", "AP", 38.5, 0.2).
        results: Task name to {metric name: value}.

    Returns:
        True if each expected metric is present, finite and within `tolerance` of its expected value.
    """
    is_met = True
    for task, metric, value, tolerance in expected:
        actual = results.get(task, {}).get(metric)
        if actual is None or not math.isfinite(actual) or abs(actual - value) > tolerance:
            _logger.error("verify_results: %s %s is %s, expected %s within %s", task, metric, actual, value, tolerance)
            is_met = False
    if is_met:
        _logger.info("verify_results: all %d expected results are met", len(expected))
    return is_met


def flatten_results_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested results: `{"bbox": {"AP": 1}}` becomes `{"bbox/AP": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}/{inner}": item for inner, item in flatten_results_dict(value).items()})
        else:
            flat[name] = value
    return flat
