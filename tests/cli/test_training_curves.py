"""`detectory plot`: training curves of one or several runs."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from detectory.cli import main
from detectory.engine.report import plot_curves, read_history


def write_run(folder, offset=0.0):
    folder.mkdir()
    rows = [{"iteration": i, "total_loss": 3.0 - i + offset, "loss_a": 1.0, "lr": 0.1} for i in range(3)]
    rows.append({"iteration": 2, "bbox/AP": 30.0, "bbox/AP-cat": 20.0, "bbox/AP-dog": float("nan")})
    (folder / "metrics.json").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"itera')
    return folder


def run_command(*arguments):
    result = CliRunner().invoke(main, ["plot", *map(str, arguments)])
    return result.exit_code, result.output


def test_page_contains_all_scalars_of_a_run(tmp_path):
    code, text = run_command(write_run(tmp_path / "a"), "--output", tmp_path / "curves.html")
    page = (tmp_path / "curves.html").read_text()
    assert (code, text) == (0, f"4 plots of 1 run: {tmp_path / 'curves.html'}\n")
    assert all(f">{name}<" in page for name in ("Losses", "total_loss", "loss_a", "lr", "bbox", "bbox by class"))


def test_several_runs_share_one_plot_per_scalar(tmp_path):
    runs = [write_run(tmp_path / name, offset) for name, offset in (("a", 0.0), ("b", 1.0))]
    histories = {run.name: read_history(run) for run in runs}
    plots = plot_curves(histories, patterns=["*loss"])
    assert len(plots) == 1
    assert all(f">{name}<" in plots[0] for name in ("total_loss", "a", "b"))


def test_png_contains_the_curve(tmp_path):
    output = tmp_path / "curves.png"
    assert run_command(write_run(tmp_path / "a"), "--metric", "total_loss", "--output", output)[0] == 0
    image = Image.open(output)
    assert (0x2F, 0x7E, 0xD8) in image.convert("RGB").get_flattened_data()


def test_later_line_of_a_repeated_iteration_is_used(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 1, "x": 5}\n{"iteration": 0, "x": 1}\n{"iteration": 1, "x": 2}\n')
    assert read_history(path) == {"x": ([0, 1], [1, 2])}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "total_los"], "no run has a scalar 'total_los': did you mean 'total_loss'"),
        (["--output", "curves.gif"], "the suffix must be .html, .png or .svg"),
        (["--output", "curves.svg"], "an .svg file contains one plot, got 4"),
    ],
    ids=["metric", "suffix", "svg"],
)
def test_invalid_arguments_are_reported_in_one_line(tmp_path, arguments, message):
    code, text = run_command(write_run(tmp_path / "a"), *arguments)
    assert (code, len(text.splitlines())) == (1, 1)
    assert message in text


def test_invalid_line_is_reported_with_its_number(tmp_path):
    (tmp_path / "metrics.json").write_text('{"iteration": 0}\n[3]\n')
    code, text = run_command(tmp_path)
    assert code == 1
    assert "metrics.json: line 2: expected a JSON object with 'iteration' and numbers, got [3]" in text


def test_rejects_folder_without_metrics(tmp_path):
    assert "not a run folder of detectory train: metrics.json is missing" in run_command(tmp_path)[1]
