"""Paired times of two builds and a distribution-free confidence interval of their ratio."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

#: An operator is slower if the whole interval of its ratios (our time over theirs) is above this value.
SLOWER = 1.10


class Measures(Protocol):
    """Interface of a build with operators that can be measured."""

    def measure(self, operator: str, seconds: float) -> dict[str, Any]:
        """Return `{"median": seconds}` of one call, or `{"error": text}`."""


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle values.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError("median: needs at least one value, got none")
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def interval(ratios: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval that contains the median ratio with at least this confidence.

    Each ratio is above the true median with probability 1/2, so the number of ratios above it is binomial. The interval
    reaches from the k-th smallest to the k-th largest ratio, with k as large as the confidence permits. The ratios may
    have any distribution: a ratio that other load disturbed moves the interval by one rank, not by its size.

    Args:
        ratios: One ratio per pair.
        confidence: In (0, 1).

    Returns:
        Lower and upper end.

    Raises:
        ValueError: If a ratio is NaN, or the ratios are too few (95 % needs 6 pairs).

    Source: Thompson, "On confidence ranges for the median", Annals of Mathematical Statistics 7, 1936.
    """
    count = len(ratios)
    if any(math.isnan(ratio) for ratio in ratios):
        raise ValueError("interval: ratios must be numbers, got NaN")
    outside, rank = 2 * 0.5**count, 0
    while outside <= 1 - confidence:
        rank += 1
        outside += 2 * math.comb(count, rank) * 0.5**count
    if rank == 0:
        needed = math.ceil(1 - math.log2(1 - confidence))
        raise ValueError(f"interval: a confidence of {confidence} needs at least {needed} ratios, got {count}")
    ordered = sorted(ratios)
    return ordered[rank - 1], ordered[count - rank]


def compare(ours: Measures, theirs: Measures, operator: str, pairs: int, seconds: float) -> dict[str, Any]:
    """Measure an operator of two builds in turn, in an order that changes from pair to pair.

    Returns:
        The median times `ours` and `theirs`, all `ratios` and their `interval`; or `error` if a build cannot run
        the operator.
    """
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    builds = [("ours", ours), ("theirs", theirs)]
    for pair in range(pairs):
        for name, build in builds if pair % 2 else reversed(builds):
            answer = build.measure(operator, seconds)
            if "error" in answer:
                return {"error": f"{name}: {answer['error']}"}
            times[name].append(answer["median"])
    ratios = [mine / other for mine, other in zip(times["ours"], times["theirs"], strict=True)]
    low, high = interval(ratios)
    return {"ours": median(times["ours"]), "theirs": median(times["theirs"]), "ratios": ratios, "interval": [low, high]}


def verdict(result: dict[str, Any]) -> str:
    """Return "SLOWER", "faster" or "same", or the error of a comparison."""
    if "error" in result:
        return result["error"]
    low, high = result["interval"]
    return "SLOWER" if low > SLOWER else "faster" if high < 1 / SLOWER else "same"
