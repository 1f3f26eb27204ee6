import json
import logging
import sys

import numpy as np
import pytest
import torch

from detectory.core.events import (
    CommonMetricPrinter,
    EventStorage,
    HistoryBuffer,
    JSONWriter,
    MLflowWriter,
    TensorBoardWriter,
    WandbWriter,
    get_event_storage,
    has_event_storage,
)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_history_smooths_the_latest_values():
    history = HistoryBuffer()
    for value in (9.0, 1.0, 2.0, 6.0):
        history.update(value)
    assert (history.latest(), history.median(3), history.avg(3), history.global_avg()) == (6.0, 2.0, 3.0, 4.5)
    assert history.values()[0] == (9.0, 0)


def test_the_global_mean_includes_removed_values():
    history = HistoryBuffer(max_length=1)
    history.update(1.0)
    history.update(3.0)
    assert (history.values(), history.global_avg()) == ([(3.0, 1)], 2.0)


def test_an_empty_history_has_no_latest_value():
    with pytest.raises(IndexError, match="no values have been added"):
        HistoryBuffer().latest()


def test_rejects_access_outside_of_a_storage_block():
    assert not has_event_storage()
    with pytest.raises(RuntimeError, match="no EventStorage is open"):
        get_event_storage()


def test_returns_the_innermost_storage():
    with EventStorage(), EventStorage() as inner:
        assert get_event_storage() is inner


def test_scalars_carry_the_iteration():
    storage = EventStorage(start_iter=5)
    storage.put_scalars(loss=torch.tensor(1.0), accuracy=0.5)
    storage.step()
    storage.put_scalar("loss", 2)
    assert storage.latest() == {"loss": (2.0, 6), "accuracy": (0.5, 5)}
    assert storage.iteration == 6


def test_noisy_scalars_are_smoothed_over_iterations():
    storage = EventStorage()
    for value in (100.0, 1.0, 2.0, 3.0):
        storage.put_scalar("loss", value)
        storage.put_scalar("lr", value, smoothing_hint=False)
        storage.step()
    assert storage.latest_with_smoothing_hint(3) == {"loss": (2.0, 3), "lr": (3.0, 3)}


def test_infrequent_scalars_are_smoothed_over_their_own_iterations():
    storage = EventStorage()
    for iteration, value in ((0, 9.0), (100, 1.0), (105, 3.0)):
        storage.put_scalar("loss", value, cur_iter=iteration)
    assert storage.count_samples("loss", 20) == 2


def test_rejects_a_changed_smoothing_hint():
    storage = EventStorage()
    storage.put_scalar("loss", 1.0)
    with pytest.raises(ValueError, match="smoothing_hint of 'loss' must stay True, got False"):
        storage.put_scalar("loss", 1.0, smoothing_hint=False)


def test_name_scopes_nest():
    storage = EventStorage()
    with storage.name_scope("roi_heads"), storage.name_scope("box"):
        storage.put_scalar("loss", 1.0)
    storage.put_scalar("loss", 1.0)
    assert set(storage.latest()) == {"roi_heads/box/loss", "loss"}


def test_a_histogram_counts_every_value():
    storage = EventStorage()
    storage.put_histogram("weights", torch.arange(10.0), bins=5)
    (histogram,) = storage.histograms
    assert histogram["bucket_counts"] == [2.0] * 5
    assert (histogram["min"], histogram["max"], histogram["num"], histogram["sum"]) == (0.0, 9.0, 10, 45.0)


@pytest.mark.parametrize("values", [[], [float("nan")]], ids=["empty", "nan"])
def test_rejects_a_histogram_of_invalid_values(values):
    with pytest.raises(ValueError, match="'weights' must be finite"):
        EventStorage().put_histogram("weights", torch.tensor(values))


def test_json_writer_writes_each_iteration_once(tmp_path):
    writer = JSONWriter(tmp_path / "metrics.json")
    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        writer.write()
        writer.write()
        storage.step()
        storage.put_scalar("loss", 4.0)
        writer.write()
    writer.close()
    assert lines(tmp_path / "metrics.json") == [{"iteration": 0, "loss": 2.0}, {"iteration": 1, "loss": 3.0}]


def test_json_writer_removes_an_incomplete_line(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 0}\n{"itera')
    with EventStorage(1) as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert lines(path) == [{"iteration": 0}, {"iteration": 1, "loss": 2.0}]


def test_json_writer_removes_lines_of_repeated_iterations(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("".join(f'{{"iteration": {number}, "loss": 9.0}}\n' for number in (1, 3, 5, 7)))
    with EventStorage(4) as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert [line["iteration"] for line in lines(path)] == [1, 3, 4]


def test_json_writer_renames_the_file_of_an_earlier_run(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 5}\n')
    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert lines(path) == [{"iteration": 0, "loss": 2.0}]
    assert lines(tmp_path / "metrics.json.old") == [{"iteration": 5}]


def test_tensorboard_purges_repeated_iterations(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install detectory-core[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, value in ((0, 1.0), (1, 2.0)):
        writer = TensorBoardWriter(str(tmp_path), filename_suffix=f".{start}")
        with EventStorage(start) as storage:
            for storage.iter in range(start, 3):
                storage.put_scalar("loss", value)
                writer.write()
        writer.close()
        # TensorBoard reads files in name order; names contain a time in seconds, equal for both files.
        (written,) = tmp_path.glob(f"*.{start}")
        written.rename(tmp_path / f"events.out.tfevents.{start}")
    assert [event.step for event in EventAccumulator(str(tmp_path)).Reload().Scalars("loss")] == [0, 1, 2]


class Calls:
    """Replaces a package; records the calls of all its functions and classes."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return self

        return call


def write_twice(writer):
    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        storage.put_image("image", torch.full((3, 2, 4), 0.5))
        writer.write()
        storage.put_scalar("bbox/AP", 30.0, cur_iter=1)
        writer.write()
    writer.close()


def test_wandb_writer_logs_scalars_and_images_by_iteration(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", fake := Calls())
    write_twice(WandbWriter("project", mode="offline", dir=str(tmp_path / "new")))
    names = [name for name, _, _ in fake.calls]
    assert names == ["init", "Image", "log", "log", "finish"]
    assert fake.calls[0][2] == {
        "project": "project",
        "resume": "allow",
        "mode": "offline",
        "dir": str(tmp_path / "new"),
    }
    assert fake.calls[1][1][0].shape == (2, 4, 3)
    assert fake.calls[2][1:] == (({"loss": 2.0, "image": fake},), {"step": 0})
    assert fake.calls[3][1:] == (({"bbox/AP": 30.0},), {"step": 1})


def test_mlflow_writer_logs_scalars_and_images_by_iteration(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", fake := Calls())
    write_twice(MLflowWriter("cells", "file:runs", run_name="a"))
    names = [name for name, _, _ in fake.calls]
    start = ["set_tracking_uri", "set_experiment", "start_run"]
    assert names == [*start, "log_metrics", "log_image", "log_metrics", "end_run"]
    assert fake.calls[3][1:] == (({"loss": 2.0},), {"step": 0})
    assert fake.calls[4][1][0].dtype == np.uint8
    assert fake.calls[4][1][1] == "image_0000000.png"


@pytest.mark.parametrize(("writer", "package"), [(WandbWriter, "wandb"), (MLflowWriter, "mlflow")])
def test_a_missing_package_is_reported_with_the_install_command(monkeypatch, writer, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"{writer.__name__} requires {package}: pip install detectory-core\[{package}\]"
    ):
        writer("name")


def test_metric_printer_logs_losses_learning_rate_and_eta(caplog):
    with EventStorage(9) as storage, caplog.at_level(logging.INFO):
        storage.put_scalars(total_loss=1.5, time=2.0)
        storage.put_scalar("lr", 0.02, smoothing_hint=False)
        CommonMetricPrinter(max_iter=20).write()
    assert caplog.messages[0].startswith("eta: 0:00:20  iter: 9  total_loss: 1.5  time: 2.0000  lr: 0.02")


def test_metric_printer_logs_nothing_after_the_end(caplog):
    with EventStorage(20), caplog.at_level(logging.INFO):
        CommonMetricPrinter(max_iter=20).write()
    assert caplog.messages == []


def test_tensorboard_writer_writes_scalars_images_and_histograms(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install detectory-core[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        storage.put_image("image", torch.zeros(3, 4, 4))
        storage.put_histogram("weights", torch.arange(10.0))
        writer = TensorBoardWriter(str(tmp_path))
        writer.write()
        writer.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    assert read.Scalars("loss")[0].value == 2.0
    assert (read.Tags()["images"], read.Tags()["histograms"]) == (["image"], ["weights"])
    assert (storage.images, storage.histograms) == ([], [])
