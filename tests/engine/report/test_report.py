"""The report page of a run."""

import signal

import pytest
from tests.engine.report.run_files import save_best, write_run

from detectory.core.events import EventWriter
from detectory.engine import Run, TrainingInterrupted, train
from detectory.engine.inference.run_folder import describe_checkpoint
from detectory.engine.report import report_at_end, write_report


class Terminate(EventWriter):
    """Sends SIGTERM to the process in its first call."""

    sent = False

    def write(self):
        if not self.sent:
            self.sent = True
            signal.raise_signal(signal.SIGTERM)

    def close(self):
        pass


def page_of(folder):
    return write_report(folder).read_text()


def test_page_contains_curves_metrics_time_and_environment(tmp_path):
    page = page_of(write_run(tmp_path / "run"))
    for text in (
        "Training run run",
        ">Losses<",
        ">Evaluations (%)<",
        ">box AP by class (%)<",
        ">Learning rate<",
        "3 GiB",
    ):
        assert text in page
    assert all(f"<h2>{name}</h2>" in page for name in ("Best and last evaluation", "Time and memory", "Environment"))


def test_page_of_a_run_without_evaluations(tmp_path):
    assert "The run has not been evaluated yet." in page_of(write_run(tmp_path / "run", evaluations=()))


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("stopped: received SIGTERM", "stopped after 10 of 10 iterations: received SIGTERM."),
        ("failed: FloatingPointError: loss is NaN", "failed after 10 iterations: FloatingPointError: loss is NaN"),
        ("running", "still running, or was killed"),
    ],
)
def test_page_explains_an_incomplete_training(tmp_path, end, text):
    assert text in page_of(write_run(tmp_path / "run", end=end))


def test_missing_dataset_is_explained(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "config.yaml").write_text("dataloader: {test: {dataset: {names: removed_val}}}\ntrain: {}\n")
    assert "The dataset removed_val is not available" in page_of(folder)


def test_long_class_names_and_many_classes_are_written(tmp_path):
    folder = write_run(tmp_path / "run", classes=["a long name <of a class> " * 8, *map(str, range(300))])
    page = page_of(folder)
    assert "box AP by class" not in page
    assert "<of a class>" not in page


def test_failure_is_logged_in_one_line(tmp_path, caplog):
    with report_at_end(tmp_path / "missing"):
        pass
    assert len(caplog.records) == 1
    assert "the report was not written: FileNotFoundError" in caplog.text


def test_second_ctrl_c_names_the_commands_that_report_and_continue(tmp_path, caplog):
    def train_until_ctrl_c():
        write_run(tmp_path, end="running")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), report_at_end(tmp_path):
        train_until_ctrl_c()
    assert not (tmp_path / "report.html").exists()
    assert f"'detectory report {tmp_path}' writes the report" in caplog.text
    assert "--resume continues from the last checkpoint" in caplog.text


def test_a_config_that_is_not_yaml_is_named(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {a: [1\noptimizer: b: c\n")
    with pytest.raises(ValueError, match=r"config\.yaml: not a YAML file: line 2, column 10: expected"):
        train(tmp_path / "config.yaml")


def test_the_best_checkpoint_is_described_by_its_metric(tmp_path):
    save_best(write_run(tmp_path / "run"), 7, 35.0)
    assert describe_checkpoint(str(tmp_path / "run" / "model_best.pth")).endswith(
        "model_best.pth (the best box AP of the run, 35.00, after 8 iterations)"
    )
    (tmp_path / "run" / "model_best.json").write_text("{}")
    assert describe_checkpoint(str(tmp_path / "run" / "model_best.pth")).endswith("model_best.pth")


def test_training_returns_its_run_and_writes_the_report(recipe, tmp_path):
    run = train(recipe("train.max_iter=4"))
    assert isinstance(run, Run)
    assert (run.folder, run.report) == (tmp_path / "output", tmp_path / "output" / "report.html")
    assert run.summary.end == "finished"
    assert run.summary.iterations == 4


def test_resumed_training_adds_a_part(recipe):
    train(recipe("train.max_iter=4"))
    parts = train(recipe("train.max_iter=6"), resume=True).summary.parts
    assert [(part["first_iteration"], part["iterations"]) for part in parts] == [(0, 4), (4, 6)]


def test_failed_training_has_a_report(recipe, tmp_path):
    with pytest.raises(FloatingPointError):
        train(recipe("train.max_iter=4", "model.fail_at=2"))
    assert "failed after 2 iterations: FloatingPointError" in (tmp_path / "output" / "report.html").read_text()


def test_stopped_training_has_a_report(recipe, tmp_path):
    config = recipe("train.max_iter=1000")
    config.train.writers = [{"_target_": "tests.engine.report.test_report.Terminate"}]
    with pytest.raises(TrainingInterrupted):
        train(config)
    page = (tmp_path / "output" / "report.html").read_text()
    assert "The training was stopped after 1 of 1000 iterations: received SIGTERM." in page


def test_refused_training_writes_no_report(recipe, tmp_path):
    with pytest.raises(ValueError, match="total_batch_size"):
        train(recipe("dataloader.train.total_batch_size=0"))
    assert not (tmp_path / "output" / "report.html").exists()
