import logging
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer, PeriodicCheckpointer

FULL_DISK = """
import resource, signal, sys, torch
from detectory.core.checkpoint import Checkpointer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
Checkpointer(torch.nn.Linear(1000, 100), sys.argv[1]).save("model_0000002")
"""
KILLED = """
import os, signal, sys, torch
from detectory.core.storage import atomic_file
from detectory.core.checkpoint import Checkpointer
atomic_file.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Checkpointer(torch.nn.Linear(10, 10), sys.argv[1]).save("model_0000002")
"""


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def run(script, folder):
    return subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)


def files(folder):
    return sorted(os.listdir(folder))


def test_loads_the_saved_model_and_optimizer(model, tmp_path):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    Checkpointer(model, tmp_path, optimizer=optimizer).save("model_0000004", iteration=4)
    other, other_optimizer = (
        nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)),
        torch.optim.SGD(model.parameters(), lr=0.1),
    )
    rest = Checkpointer(other, tmp_path, optimizer=other_optimizer).resume_or_load("", resume=True)
    assert rest == {"iteration": 4}
    assert torch.equal(other[0].weight, model[0].weight)
    assert other_optimizer.param_groups[0]["lr"] == 0.5


def test_loads_only_the_model_without_resume(model, tmp_path):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    checkpointer = Checkpointer(model, tmp_path, optimizer=optimizer)
    checkpointer.save("model_0000004")
    optimizer.param_groups[0]["lr"] = 0.1
    rest = checkpointer.resume_or_load(str(tmp_path / "model_0000004.pth"), resume=False)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert set(rest) == {"optimizer"}


def test_last_checkpoint_is_the_most_recently_saved_one(model, tmp_path):
    checkpointer = Checkpointer(model, tmp_path)
    assert not checkpointer.has_checkpoint()
    checkpointer.save("b")
    checkpointer.save("a")
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "a.pth")
    assert checkpointer.get_all_checkpoint_files() == [str(tmp_path / "a.pth"), str(tmp_path / "b.pth")]


def test_writes_nothing_without_a_folder_or_if_disabled(model, tmp_path):
    Checkpointer(model).save("a")
    Checkpointer(model, tmp_path, save_to_disk=False).save("a")
    assert files(tmp_path) == []


def test_an_empty_path_loads_nothing(model):
    assert Checkpointer(model).load("") == {}


def test_ignores_a_last_checkpoint_that_was_deleted(model, tmp_path):
    checkpointer = Checkpointer(model, tmp_path)
    checkpointer.save("a")
    (tmp_path / "a.pth").unlink()
    assert not checkpointer.has_checkpoint()


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits require POSIX")
def test_a_full_disk_keeps_the_old_checkpoint(model, tmp_path):
    Checkpointer(model, tmp_path).save("model_0000001")
    result = run(FULL_DISK, tmp_path)
    assert "the file was not created" in result.stderr.splitlines()[-1]
    assert "model_0000002.pth" in result.stderr.splitlines()[-1]
    assert files(tmp_path) == ["last_checkpoint", "model_0000001.pth"]
    assert Checkpointer(model, tmp_path).get_checkpoint_file() == str(tmp_path / "model_0000001.pth")


@pytest.mark.skipif(sys.platform == "win32", reason="requires SIGKILL")
def test_a_process_killed_while_saving_keeps_the_old_checkpoint(model, tmp_path):
    Checkpointer(model, tmp_path).save("model_0000001")
    assert run(KILLED, tmp_path).returncode == -9
    checkpointer = Checkpointer(model, tmp_path)
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_0000001.pth")
    assert checkpointer.get_all_checkpoint_files() == [str(tmp_path / "model_0000001.pth")]


def test_logs_mismatches_as_a_table(model, tmp_path, caplog):
    state = model.state_dict()
    state["0.wieght"] = state.pop("0.weight")
    state["1.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "m.pth")
    checkpointer = Checkpointer(model)
    with caplog.at_level(logging.WARNING):
        checkpointer.load(str(tmp_path / "m.pth"))
    assert "'0.weight' (the checkpoint has '0.wieght')" in caplog.text
    assert "'1.bias': checkpoint (7,), model (3,)" in caplog.text
    assert checkpointer.last_report.missing_keys == ["0.weight"]


def test_missing_parameters_keep_their_values(model, tmp_path):
    before = model[0].weight.detach().clone()
    torch.save({"0.bias": torch.full((3,), 5.0)}, tmp_path / "m.pth")
    Checkpointer(model).load(str(tmp_path / "m.pth"))
    assert torch.equal(model[0].weight, before)
    assert model[0].bias.tolist() == [5, 5, 5]


def test_rejects_a_duplicate_key(model):
    with pytest.raises(KeyError, match="key 'model' is already in use"):
        Checkpointer(model).add_checkpointable("model", model)


def test_rejects_an_object_without_state(model):
    with pytest.raises(TypeError, match="'x' must have state_dict"):
        Checkpointer(model, x=3)


def test_rejects_an_unknown_object_to_load(model, tmp_path):
    checkpointer = Checkpointer(model, tmp_path, optimizer=torch.optim.SGD(model.parameters(), lr=1))
    checkpointer.save("a")
    with pytest.raises(KeyError, match="unknown key 'optimiser': did you mean 'optimizer'"):
        checkpointer.load(checkpointer.get_checkpoint_file(), ["optimiser"])


def test_unwraps_data_parallel(model, tmp_path):
    Checkpointer(nn.DataParallel(model), tmp_path).save("a")
    assert set(torch.load(tmp_path / "a.pth")["model"]) == set(model.state_dict())


def test_periodic_checkpointer_keeps_the_newest(model, tmp_path):
    periodic = PeriodicCheckpointer(Checkpointer(model, tmp_path), period=2, max_iter=8, max_to_keep=2)
    for iteration in range(8):
        periodic.step(iteration, note="x")
    assert files(tmp_path) == ["last_checkpoint", "model_0000005.pth", "model_0000007.pth", "model_final.pth"]
    assert torch.load(tmp_path / "model_final.pth")["iteration"] == 7


def test_periodic_checkpointer_counts_files_of_an_interrupted_run(model, tmp_path):
    for iteration in range(6):
        PeriodicCheckpointer(Checkpointer(model, tmp_path), period=2, max_to_keep=1).step(iteration)
    assert files(tmp_path) == ["last_checkpoint", "model_0000005.pth"]


@pytest.mark.parametrize(("period", "keep"), [(0, None), (1, 0)])
def test_periodic_checkpointer_rejects_non_positive_arguments(model, period, keep):
    with pytest.raises(ValueError, match="must be positive"):
        PeriodicCheckpointer(Checkpointer(model), period, max_to_keep=keep)


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"stem": nn.ModuleDict({"conv1": nn.Conv2d(1, 2, 1, bias=False)})})
        self.register_buffer("pixel_mean", torch.zeros(3))


def test_detection_checkpointer_reads_caffe2(tmp_path):
    (tmp_path / "r.pkl").write_bytes(pickle.dumps({"conv1_w": np.full((2, 1, 1, 1), 3.0, np.float32)}))
    checkpointer = DetectionCheckpointer(model := Detector())
    checkpointer.load(str(tmp_path / "r.pkl"))
    assert model.backbone.stem.conv1.weight.unique().item() == 3
    assert checkpointer.last_report.is_complete


def test_detection_checkpointer_matches_names_if_the_path_requests_it(tmp_path):
    torch.save({"stem.conv1.weight": torch.full((2, 1, 1, 1), 3.0)}, tmp_path / "m.pth")
    DetectionCheckpointer(model := Detector()).load(f"{tmp_path}/m.pth?matching_heuristics=True")
    assert model.backbone.stem.conv1.weight.unique().item() == 3


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, lambda model: nn.DataParallel(torch.compile(model))])
@pytest.mark.parametrize("suffix", ["", "?matching_heuristics=True"])
def test_removes_wrapper_prefixes(wrap, suffix, model, tmp_path):
    torch.save({"model": wrap(model).state_dict()}, tmp_path / "wrapped.pth")
    checkpointer = DetectionCheckpointer(fresh := nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    checkpointer.load(f"{tmp_path}/wrapped.pth{suffix}")
    assert checkpointer.last_report.is_complete
    assert torch.equal(fresh[0].weight, model[0].weight)


def test_keeps_the_name_of_a_submodule_called_module(model, tmp_path):
    outer = nn.ModuleDict({"module": model})
    torch.save({"model": outer.state_dict()}, tmp_path / "m.pth")
    checkpointer = Checkpointer(outer)
    checkpointer.load(str(tmp_path / "m.pth"))
    assert checkpointer.last_report.is_complete
