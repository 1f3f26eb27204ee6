"""Summaries of run folders."""

import json

import pytest
from tests.engine.report.run_files import save_best, write_run

from detectory.engine import Run
from detectory.engine.report import format_summary, next_commands, read_run

SUMMARY = """\
evaluation      best   last
iterations         8     10
box AP         35.00  30.00
box AP of cat  35.00  30.00
box AP of dog  36.00  31.00

10 of 10 iterations in 60 seconds (0.5 s per iteration), 3 GiB of memory"""


def test_table_compares_best_and_last_evaluation(tmp_path):
    assert format_summary(read_run(write_run(tmp_path / "run"))) == SUMMARY


def test_saved_checkpoint_defines_the_best_evaluation(tmp_path):
    folder = write_run(tmp_path / "run")
    save_best(folder, iteration=3)
    summary = read_run(folder)
    assert (summary.best.iterations, summary.best_is_saved, summary.weights) == (4, True, folder / "model_best.pth")
    assert Run.open(folder).metrics["bbox"]["AP"] == 20.0


def test_metrics_are_those_of_the_last_evaluation_without_a_best_checkpoint(tmp_path):
    metrics = Run.open(write_run(tmp_path / "run")).metrics
    assert metrics == {"bbox": {"AP": 30.0, "AP50": 35.0, "AP-cat": 30.0, "AP-dog": 31.0}}


def test_many_classes_are_left_out_of_the_table(tmp_path):
    folder = write_run(tmp_path / "run", classes=[f"class {index}" for index in range(300)])
    assert len(format_summary(read_run(folder)).splitlines()) == 5


def test_parts_are_added_up(tmp_path):
    folder = write_run(tmp_path / "run")
    record = json.loads((folder / "run.json").read_text())
    record["parts"] += [{"iterations": 20, "max_iter": 30, "seconds": 30.0, "end": "stopped: received SIGTERM"}]
    (folder / "run.json").write_text(json.dumps(record))
    summary = read_run(folder)
    assert (summary.iterations, summary.max_iter, summary.seconds) == (20, 30, 90.0)


def test_run_without_a_record_is_estimated_from_its_metrics(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "run.json").unlink()
    summary = read_run(folder)
    assert (summary.iterations, summary.seconds, summary.peak_memory) == (10, 5.0, None)


def test_run_without_evaluations_has_no_metrics(tmp_path):
    folder = write_run(tmp_path / "run", evaluations=())
    assert Run.open(folder).metrics == {}
    assert format_summary(read_run(folder)).startswith("10 of 10 iterations")


def test_next_commands_have_the_quoted_paths_of_the_run(tmp_path):
    commands = next_commands(read_run(write_run(tmp_path / "my run")), "data/my images")
    assert commands[0] == f"detectory predict 'data/my images' --run '{tmp_path}/my run'"
    assert commands[2] == f"detectory export '{tmp_path}/my run' --output '{tmp_path}/my run/model.onnx'"


@pytest.mark.parametrize("name", ["missing", "."])
def test_rejects_folder_without_a_run(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        Run.open(tmp_path / name)
