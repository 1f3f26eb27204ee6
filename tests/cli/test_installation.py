"""`detectory env`: names what is wrong here, and what mends it."""

import importlib.metadata
import json

import numpy as np
import pytest
import torch

from detectory import ops
from detectory.cli import installation
from detectory.cli.installation import Fault, find_faults


@pytest.fixture
def healthy(monkeypatch, tmp_path):
    """An environment without faults, whatever machine runs the tests."""
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path))
    monkeypatch.delenv("DETECTORY_DATASETS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(installation, "_SMALLEST_SHARED_MEMORY", 0)
    monkeypatch.setattr(installation, "_graphics", lambda: iter(()))


def test_a_healthy_installation_has_no_fault(healthy, detectory):
    result = detectory("env")
    assert "no fault found" in result.output
    assert result.exit_code == 0


def test_the_report_is_json_for_programs(healthy, detectory):
    report = json.loads(detectory("env", "--json").output)
    assert report["torch"].startswith(torch.__version__)
    assert report["faults"] == []


def test_a_fault_comes_with_what_mends_it_and_exit_code_1(healthy, detectory, monkeypatch):
    monkeypatch.setattr(installation, "_CHECKS", (lambda: iter([Fault("it is broken", "mend it")]),))
    result = detectory("env")
    assert result.exit_code == 1
    assert result.output.endswith("1 faults\n- it is broken\n  fix: mend it\n")


def test_a_requirement_of_the_wrong_version_is_named(healthy, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "omegaconf" else real(name))
    faults = find_faults()
    assert {"detectory-core needs omegaconf>=2.3, installed is 0.1"} <= {fault.what for fault in faults}
    assert 'pip install "omegaconf>=2.3"' in {fault.fix for fault in faults}


def test_a_missing_requirement_is_named(healthy, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "iopath":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "detectory-core needs iopath, which is not installed" in {fault.what for fault in find_faults()}


def test_operators_that_answer_wrongly_are_a_fault(healthy, monkeypatch):
    monkeypatch.setattr(ops, "nms", lambda *_: torch.tensor([0, 1]))
    assert any("wrong answers" in fault.what for fault in find_faults())


def test_torch_without_numpy_is_a_fault(healthy, monkeypatch):
    def fail(array):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch, "from_numpy", fail)
    assert any(np.__version__ in fault.what for fault in installation._arrays())


def test_a_gpu_that_torch_cannot_use_is_a_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CPU-only build" in next(installation._graphics()).what


def test_a_hidden_gpu_is_a_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert next(installation._graphics()).fix == "unset CUDA_VISIBLE_DEVICES"


def test_a_dataset_folder_that_is_not_there_is_a_fault(healthy, monkeypatch, tmp_path):
    monkeypatch.setenv("DETECTORY_DATASETS", str(tmp_path / "gone"))
    assert any("gone" in fault.what for fault in find_faults())


def test_a_cache_that_is_a_file_is_a_fault(healthy, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "file" / "cache"))
    assert any("not writable" in fault.what for fault in find_faults())


def test_little_shared_memory_is_a_fault(monkeypatch):
    monkeypatch.setattr(installation, "_SMALLEST_SHARED_MEMORY", 2**60)
    if not installation.Path("/dev/shm").is_dir():
        pytest.skip("needs /dev/shm, which this system lacks")
    assert "--shm-size" in next(installation._shared_memory()).fix
