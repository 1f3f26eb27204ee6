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
    TensorboardXWriter,
    WandbWriter,
    get_event_storage,
    has_event_storage,
)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_history_smooths_the_newest_values():
    history = HistoryBuffer()
    for value in (9.0, 1.0, 2.0, 6.0):
        history.update(value)
    assert (history.latest(), history.median(3), history.avg(3), history.global_avg()) == (6.0, 2.0, 3.0, 4.5)
    assert history.values()[0] == (9.0, 0)


def test_history_counts_in_the_mean_what_it_no_longer_keeps():
    history = HistoryBuffer(max_length=1)
    history.update(1.0)
    history.update(3.0)
    assert (history.values(), history.global_avg()) == ([(3.0, 1)], 2.0)


def test_an_empty_history_has_no_latest_value():
    with pytest.raises(IndexError, match="no value has been added"):
        HistoryBuffer().latest()


def test_there_is_no_storage_outside_of_a_block():
    assert not has_event_storage()
    with pytest.raises(RuntimeError, match="no EventStorage is open"):
        get_event_storage()


def test_the_innermost_storage_counts():
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


def test_scalars_that_come_rarely_are_smoothed_over_their_own_iterations():
    storage = EventStorage()
    for iteration, value in ((0, 9.0), (100, 1.0), (105, 3.0)):
        storage.put_scalar("loss", value, cur_iter=iteration)
    assert storage.count_samples("loss", 20) == 2


def test_rejects_another_smoothing_hint():
    storage = EventStorage()
    storage.put_scalar("loss", 1.0)
    with pytest.raises(ValueError, match="'loss' was put with smoothing_hint=True"):
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
def test_rejects_a_histogram_of_nothing(values):
    with pytest.raises(ValueError, match="'weights' must hold finite values"):
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


def test_json_writer_repairs_an_unfinished_line(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 0}\n{"itera')
    with EventStorage(1) as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert lines(path) == [{"iteration": 0}, {"iteration": 1, "loss": 2.0}]


def test_json_writer_forgets_the_lines_of_iterations_that_run_again(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("".join(f'{{"iteration": {number}, "loss": 9.0}}\n' for number in (1, 3, 5, 7)))
    with EventStorage(4) as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert [line["iteration"] for line in lines(path)] == [1, 3, 4]


def test_json_writer_moves_the_file_of_an_earlier_training(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 5}\n')
    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        writer = JSONWriter(path)
        writer.write()
        writer.close()
    assert lines(path) == [{"iteration": 0, "loss": 2.0}]
    assert lines(tmp_path / "metrics.json.old") == [{"iteration": 5}]


def test_tensorboard_forgets_the_iterations_that_run_again(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install detectory-core[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, value in ((0, 1.0), (1, 2.0)):
        writer = TensorboardXWriter(str(tmp_path), filename_suffix=f".{start}")
        with EventStorage(start) as storage:
            for storage.iter in range(start, 3):
                storage.put_scalar("loss", value)
                writer.write()
        writer.close()
        # TensorBoard reads files in the order of their names, which begin with a second: both are of the same one.
        (written,) = tmp_path.glob(f"*.{start}")
        written.rename(tmp_path / f"events.out.tfevents.{start}")
    assert [event.step for event in EventAccumulator(str(tmp_path)).Reload().Scalars("loss")] == [0, 1, 2]


class Calls:
    """Stands for a package: every function and class in it writes down its calls."""

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
        storage.put_image("photo", torch.full((3, 2, 4), 0.5))
        writer.write()
        storage.put_scalar("bbox/AP", 30.0, cur_iter=1)
        writer.write()
    writer.close()


def test_wandb_writer_logs_scalars_and_pictures_by_iteration(monkeypatch, tmp_path):
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
    assert fake.calls[2][1:] == (({"loss": 2.0, "photo": fake},), {"step": 0})
    assert fake.calls[3][1:] == (({"bbox/AP": 30.0},), {"step": 1})


def test_mlflow_writer_logs_scalars_and_pictures_by_iteration(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", fake := Calls())
    write_twice(MLflowWriter("cells", "file:runs", run_name="a"))
    names = [name for name, _, _ in fake.calls]
    start = ["set_tracking_uri", "set_experiment", "start_run"]
    assert names == [*start, "log_metrics", "log_image", "log_metrics", "end_run"]
    assert fake.calls[3][1:] == (({"loss": 2.0},), {"step": 0})
    assert fake.calls[4][1][0].dtype == np.uint8
    assert fake.calls[4][1][1] == "photo_0000000.png"


@pytest.mark.parametrize(("kind", "package"), [(WandbWriter, "wandb"), (MLflowWriter, "mlflow")])
def test_a_writer_without_its_package_says_what_to_install(monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{kind.__name__} needs {package}: pip install detectory-core\[{package}\]"):
        kind("name")


def test_metric_printer_tells_losses_rate_and_time_left(caplog):
    with EventStorage(9) as storage, caplog.at_level(logging.INFO):
        storage.put_scalars(total_loss=1.5, time=2.0)
        storage.put_scalar("lr", 0.02, smoothing_hint=False)
        CommonMetricPrinter(max_iter=20).write()
    assert caplog.messages[0].startswith("eta: 0:00:20  iter: 9  total_loss: 1.5  time: 2.0000  lr: 0.02")


def test_metric_printer_is_silent_after_the_end(caplog):
    with EventStorage(20), caplog.at_level(logging.INFO):
        CommonMetricPrinter(max_iter=20).write()
    assert caplog.messages == []


def test_tensorboard_writer_takes_scalars_pictures_and_histograms(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install detectory-core[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with EventStorage() as storage:
        storage.put_scalar("loss", 2.0)
        storage.put_image("photo", torch.zeros(3, 4, 4))
        storage.put_histogram("weights", torch.arange(10.0))
        writer = TensorboardXWriter(str(tmp_path))
        writer.write()
        writer.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    assert read.Scalars("loss")[0].value == 2.0
    assert (read.Tags()["images"], read.Tags()["histograms"]) == (["photo"], ["weights"])
    assert (storage.images, storage.histograms) == ([], [])
