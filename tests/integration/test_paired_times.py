"""What the comparison of two builds (`benchmarks/paired.py`) concludes from paired times."""

import random

import pytest
from benchmarks.paired import compare, interval, median, verdict


class Build:
    """Answers with given times in turn, and writes its name down whenever it is asked."""

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
def test_the_interval_of_a_median_runs_between_the_ranks_of_the_published_tables(count, rank):
    values = [float(value) for value in range(1, count + 1)]
    random.Random(0).shuffle(values)
    assert interval(values) == (rank, count + 1 - rank)


def test_the_interval_holds_the_true_median_at_least_as_often_as_it_says():
    held = [low <= 1 <= high for low, high in (interval(ratios(1, 0.3, 11, seed)) for seed in range(2000))]
    assert sum(held) / len(held) > 0.94


def test_equal_builds_on_a_noisy_machine_are_never_called_slower():
    assert "SLOWER" not in {judged(ratios(1.0, 0.2, seed=seed)) for seed in range(300)}


def test_a_build_slower_by_a_quarter_is_found():
    assert {judged(ratios(1.25, 0.05, seed=seed)) for seed in range(100)} == {"SLOWER"}


def test_a_build_faster_by_a_quarter_is_found():
    assert {judged(ratios(0.75, 0.05, seed=seed)) for seed in range(100)} == {"faster"}


def test_a_few_spoilt_pairs_change_no_verdict():
    assert judged([*ratios(1.0, 0.02, 17), 50.0, 80.0, 1000.0]) == "same"


@pytest.mark.parametrize(
    ("found", "expected"),
    [((1.09, 9.0), "same"), ((1.11, 1.2), "SLOWER"), ((0.5, 0.9), "faster"), ((0.5, 0.95), "same")],
    ids=["wide", "above", "below", "near"],
)
def test_only_an_interval_wholly_beyond_the_limit_is_a_change(found, expected):
    assert verdict({"interval": found}) == expected


def test_builds_take_turns_and_change_who_goes_first():
    log = []
    builds = [Build(name, log, [1.0] * 6) for name in ("ours", "theirs")]
    compare(*builds, "nms", 6, 0.1)
    assert [name for name, *_ in log] == ["theirs", "ours", "ours", "theirs"] * 3
    assert {(operator, seconds) for _, operator, seconds in log} == {("nms", 0.1)}


def test_a_ratio_is_our_time_over_theirs_of_the_same_pair():
    found = compare(Build("ours", [], [2, 4, 6, 8, 10, 12]), Build("theirs", [], [1, 2, 3, 4, 5, 6]), "nms", 6, 0.1)
    assert found["ratios"] == [2.0] * 6
    assert (found["ours"], found["theirs"], found["interval"]) == (7, 3.5, [2.0, 2.0])


def test_an_operator_that_a_build_has_not_got_is_reported_with_its_build():
    assert compare(Build("ours", [], [1.0]), Broken(), "nms", 6, 0.1) == {"error": "theirs: no nms in 0.1 s"}


def test_rejects_too_few_pairs():
    with pytest.raises(ValueError, match=r"needs at least 6 ratios, got 5"):
        interval([1.0] * 5)


def test_rejects_nan():
    with pytest.raises(ValueError, match="must be numbers, got NaN"):
        interval([1.0] * 9 + [float("nan")])


def test_rejects_the_median_of_nothing():
    with pytest.raises(ValueError, match="needs at least one value"):
        median([])
