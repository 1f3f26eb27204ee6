"""Times of two builds in interleaved pairs, and what they say about the ratio, however times are distributed."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

#: An operator became slower when the interval of its ratios, our time over theirs, lies wholly above this.
SLOWER = 1.10


class Measures(Protocol):
    """Something that measures operators of one build."""

    def measure(self, operator: str, seconds: float) -> dict[str, Any]:
        """`{"median": seconds}` of one call, or `{"error": text}`."""


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("median: needs at least one value, got none")
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def interval(ratios: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The interval that holds the median ratio with at least this confidence.

    Each ratio lies above the true median with probability 1/2, so the number that do is binomial: the interval runs
    from the k-th smallest to the k-th largest ratio, k as large as the confidence allows. Nothing is assumed of the
    distribution: single ratios that the machine's other work spoilt move the interval by a rank, not by their size.

    Args:
        ratios: Paired ratios, one for each pair; NaN is not allowed.
        confidence: In (0, 1).

    Returns:
        Lower and upper end.

    Raises:
        ValueError: a ratio is NaN, or there are too few: 95 % need 6 pairs.

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
    """Measure one operator of two builds, in turn; which goes first changes from pair to pair.

    Returns:
        The median times `ours` and `theirs`, all `ratios` and their `interval`; or `error`, of a build that cannot run
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
    """One word on a comparison: slower, faster, same, or why there was none."""
    if "error" in result:
        return result["error"]
    low, high = result["interval"]
    return "SLOWER" if low > SLOWER else "faster" if high < 1 / SLOWER else "same"
