"""`detectory env`: installation problems and their fixes."""

import importlib.metadata
import json

import numpy as np
import pytest
import torch

from detectory import ops
from detectory.cli import installation
from detectory.cli.installation import Problem, find_problems


@pytest.fixture
def healthy(monkeypatch, tmp_path):
    """Make the checks pass on any machine."""
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path))
    monkeypatch.delenv("DETECTORY_DATASETS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(installation, "_MIN_SHARED_MEMORY", 0)
    monkeypatch.setattr(installation, "_check_gpu", lambda: iter(()))


def test_healthy_installation_has_no_problems(healthy, detectory):
    result = detectory("env")
    assert "no problems found" in result.output
    assert result.exit_code == 0


def test_report_is_printed_as_json(healthy, detectory):
    report = json.loads(detectory("env", "--json").output)
    assert report["torch"].startswith(torch.__version__)
    assert report["problems"] == []


def test_problem_is_printed_with_its_fix(healthy, detectory, monkeypatch):
    monkeypatch.setattr(installation, "_CHECKS", (lambda: iter([Problem("it is broken", "repair it")]),))
    result = detectory("env")
    assert result.exit_code == 1
    assert result.output.endswith("1 problem found\n- it is broken\n  fix: repair it\n")


def test_incompatible_requirement_is_reported(healthy, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "omegaconf" else real(name))
    problems = find_problems()
    assert "detectory-core requires omegaconf>=2.3, but version 0.1 is installed" in {p.description for p in problems}
    assert 'pip install "omegaconf>=2.3"' in {problem.fix for problem in problems}


def test_missing_requirement_is_reported(healthy, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "iopath":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "detectory-core requires iopath, which is not installed" in {p.description for p in find_problems()}


def test_wrong_operator_results_are_reported(healthy, monkeypatch):
    monkeypatch.setattr(ops, "nms", lambda *_: torch.tensor([0, 1]))
    assert any("wrong results" in problem.description for problem in find_problems())


def test_incompatible_numpy_is_reported(healthy, monkeypatch):
    def fail(array):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch, "from_numpy", fail)
    assert any(np.__version__ in problem.description for problem in installation._check_numpy())


def test_cpu_only_torch_with_a_gpu_is_reported(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CPU-only build" in next(installation._check_gpu()).description


def test_hidden_gpu_is_reported(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert next(installation._check_gpu()).fix == "unset CUDA_VISIBLE_DEVICES"


def test_missing_dataset_folder_is_reported(healthy, monkeypatch, tmp_path):
    monkeypatch.setenv("DETECTORY_DATASETS", str(tmp_path / "gone"))
    assert any("gone" in problem.description for problem in find_problems())


def test_unwritable_cache_is_reported(healthy, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "file" / "cache"))
    assert any("not writable" in problem.description for problem in find_problems())


def test_small_shared_memory_is_reported(monkeypatch):
    monkeypatch.setattr(installation, "_MIN_SHARED_MEMORY", 2**60)
    if not installation.Path("/dev/shm").is_dir():
        pytest.skip("needs /dev/shm, which this system lacks")
    assert "--shm-size" in next(installation._check_shared_memory()).fix
