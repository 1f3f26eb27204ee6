"""Tests of the SVG plots and their rasterisation."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from detectory.visualization import plots

PLOTS = {
    "line": plots.line_plot({"loss <1>": ([0, 1, 2], [3.0, math.nan, 1.0])}, title="a & b", smoothing=0.5),
    "line of one point": plots.line_plot({"": ([5], [2.0])}),
    "line without points": plots.line_plot({"": ([], [])}, log_y=True),
    "precision and recall": plots.precision_recall_plot({"AP50": ([0, 0.5, 1], [1, 0.5, -1])}),
    "bars": plots.bar_plot({"cat": 3.0, "dog": math.nan, "negative": -2.0}, x_label="AP"),
    "no bars": plots.bar_plot({}),
    "histogram": plots.histogram_plot({"true": [0.1, 0.2, math.nan], "false": []}),
    "empty histogram": plots.histogram_plot({}),
    "matrix": plots.matrix_plot([[3, 0], [1, 2]], ["a", "b"], ["a", "b"], x_label="predicted"),
}


def path_lengths(svg):
    return [len(re.findall("[ML]", match)) for match in re.findall(r'<path d="([^"]*)"', svg)]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_well_formed_svg_without_nan(name):
    root = ElementTree.fromstring(PLOTS[name])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "nan" not in re.sub(r"<title>.*?</title>", "", PLOTS[name])


def test_a_curve_has_one_vertex_per_finite_point():
    assert path_lengths(plots.line_plot({"": ([0, 1, 2, 3], [1, math.inf, 2, 3])})) == [3]


@pytest.mark.parametrize("y", [[2.0], [2.0, math.nan, 3.0]], ids=["single", "between gaps"])
def test_points_without_neighbours_are_drawn_as_dots(y):
    svg = plots.line_plot({"a": (range(len(y)), y)})
    assert svg.count('r="3"') == sum(map(math.isfinite, y))


def test_long_labels_stay_inside_the_plot():
    svg = plots.line_plot({"": ([0, 1], [-1.234e-5, -1.235e-5])}, y_label="a very long label " * 5, height=200)
    texts = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end">([^<]*)<', svg)
    assert all(float(x) >= 7 * len(label) for x, label in texts)
    assert "a very long label a…" in svg
    svg = plots.bar_plot({"a name that is much too long for the space to the left of the bars of this plot": 1.0})
    assert "a name that is much too long for the space…" in svg


def test_smoothing_also_draws_the_original_curve():
    assert path_lengths(plots.line_plot({"": (range(10), range(10))}, smoothing=0.9)) == [10, 10]


def test_long_curves_are_thinned_and_keep_their_spikes():
    values = [0.0] * 50_000
    values[31_234] = 7.0
    svg = plots.line_plot({"": (range(50_000), values)}, y_range=(0, 7))
    assert path_lengths(svg)[0] <= 1300
    assert " 40.0L" in svg


def test_smoothing_has_no_bias_towards_zero():
    svg = plots.line_plot({"": (range(5), [2.0] * 5)}, smoothing=0.9, y_range=(0, 4))
    raw, smooth = re.findall(r'<path d="([^"]*)"', svg)
    assert raw == smooth


def test_a_legend_with_long_names_has_several_lines_inside_the_plot():
    names = [f"a class with the long name {index}" for index in range(8)] + ["x" * 200]
    svg = plots.line_plot({name: ([0, 1], [0, 1]) for name in names})
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert len(dots) == 9
    assert len({y for _, y in dots}) >= 4
    assert min(x for x, _ in dots) >= 56
    assert "x" * 49 not in svg


def test_a_histogram_counts_each_value_once():
    svg = plots.histogram_plot({"": [0.0, 0.1, 0.5, 1.0]}, bins=2)
    assert sum(int(n) for n in re.findall(r": (\d+)</title>", svg)) == 4


def test_bars_have_names_and_values():
    assert set(re.findall(r">([^<>]+)</text>", PLOTS["bars"])) >= {"cat", "3", "dog", "n/a", "negative", "-2"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.line_plot({"a": ([1], [1, 2])}), "series 'a' has 1 x values and 2 y values"),
        (lambda: plots.line_plot({}, smoothing=1.0), "smoothing must be in"),
        (lambda: plots.histogram_plot({}, bins=0), "bins must be at least 1"),
        (lambda: plots.matrix_plot([[1]], ["a", "b"], ["a"]), "must have the shape of its labels"),
    ],
    ids=["lengths", "smoothing", "bins", "labels"],
)
def test_rejects_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", PLOTS)
def test_plot_image_has_the_scaled_size_of_the_plot(name):
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', PLOTS[name]).groups())
    assert plots.plot_image(PLOTS[name], scale=0.5).size == (round(width / 2), round(height / 2))


def test_plot_image_draws_the_curve_at_its_svg_coordinates():
    svg = plots.line_plot({"": ([0, 1], [5.0, 5.0])}, y_range=(0, 10))
    x, y = map(float, re.search(r'd="M[\d.]+ [\d.]+L([\d.]+) ([\d.]+)"', svg).groups())
    assert plots.plot_image(svg, scale=4).getpixel((round(4 * x) - 40, round(4 * y))) == (0x2F, 0x7E, 0xD8)


@pytest.mark.parametrize(
    ("svg", "message"),
    [("no xml", "svg is not valid SVG"), ('<svg viewBox="0 0 9 9"><ellipse/></svg>', "unsupported element <ellipse>")],
)
def test_plot_image_rejects_unsupported_svg(svg, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_image(svg)


def test_isolated_points_are_drawn_as_dots():
    svg = plots.line_plot({"a": ([0, 1, 2, 3], [1.0, float("nan"), 2.0, 3.0])})
    assert svg.count('r="3"') == 1
