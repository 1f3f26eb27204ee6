"""Statistics of paired benchmark times of two builds (`benchmarks/paired.py`)."""

import random

import pytest
from benchmarks.paired import compare, interval, median, verdict


class Build:
    """Fake build that returns the given times in turn and logs every measurement."""

    def __init__(self, name, log, times):
        self.name, self.log, self.times = name, log, iter(times)

    def measure(self, operator, seconds):
        self.log.append((self.name, operator, seconds))
        return {"median": next(self.times)}


class Broken:
    def measure(self, operator, seconds):
        return {"error": f"no {operator} in {seconds} s"}


def ratios(slowdown, noise, count=20, seed=0):
    draw = random.Random(seed)
    return [slowdown * draw.lognormvariate(0, noise) / draw.lognormvariate(0, noise) for _ in range(count)]


def judged(values):
    return verdict({"interval": interval(values)})


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (30, 10)])
def test_interval_of_the_median_has_the_published_ranks(count, rank):
    values = [float(value) for value in range(1, count + 1)]
    random.Random(0).shuffle(values)
    assert interval(values) == (rank, count + 1 - rank)


def test_interval_has_the_stated_coverage():
    covers = [low <= 1 <= high for low, high in (interval(ratios(1, 0.3, 11, seed)) for seed in range(2000))]
    assert sum(covers) / len(covers) > 0.94


def test_equal_builds_with_noise_are_never_slower():
    assert "SLOWER" not in {judged(ratios(1.0, 0.2, seed=seed)) for seed in range(300)}


def test_build_25_percent_slower_is_detected():
    assert {judged(ratios(1.25, 0.05, seed=seed)) for seed in range(100)} == {"SLOWER"}


def test_build_25_percent_faster_is_detected():
    assert {judged(ratios(0.75, 0.05, seed=seed)) for seed in range(100)} == {"faster"}


def test_a_few_outliers_do_not_change_the_verdict():
    assert judged([*ratios(1.0, 0.02, 17), 50.0, 80.0, 1000.0]) == "same"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((1.09, 9.0), "same"), ((1.11, 1.2), "SLOWER"), ((0.5, 0.9), "faster"), ((0.5, 0.95), "same")],
    ids=["wide", "above", "below", "near"],
)
def test_verdict_needs_the_whole_interval_beyond_the_limit(bounds, expected):
    assert verdict({"interval": bounds}) == expected


def test_builds_alternate_in_order():
    log = []
    builds = [Build(name, log, [1.0] * 6) for name in ("ours", "theirs")]
    compare(*builds, "nms", 6, 0.1)
    assert [name for name, *_ in log] == ["theirs", "ours", "ours", "theirs"] * 3
    assert {(operator, seconds) for _, operator, seconds in log} == {("nms", 0.1)}


def test_ratio_is_our_time_over_theirs_of_the_same_pair():
    result = compare(Build("ours", [], [2, 4, 6, 8, 10, 12]), Build("theirs", [], [1, 2, 3, 4, 5, 6]), "nms", 6, 0.1)
    assert result["ratios"] == [2.0] * 6
    assert (result["ours"], result["theirs"], result["interval"]) == (7, 3.5, [2.0, 2.0])


def test_missing_operator_is_reported_with_its_build():
    assert compare(Build("ours", [], [1.0]), Broken(), "nms", 6, 0.1) == {"error": "theirs: no nms in 0.1 s"}


def test_rejects_too_few_pairs():
    with pytest.raises(ValueError, match=r"needs at least 6 ratios, got 5"):
        interval([1.0] * 5)


def test_rejects_nan():
    with pytest.raises(ValueError, match="must be numbers, got NaN"):
        interval([1.0] * 9 + [float("nan")])


def test_rejects_empty_median():
    with pytest.raises(ValueError, match="needs at least one value"):
        median([])
