"""Loaders with workers in containers with little shared memory."""

import os
import shlex
import subprocess
import sys

import pytest
import torch

from detectory.data import build_detection_test_loader, build_detection_train_loader
from detectory.data.loader import build, shared_memory

SAMPLE_SHAPE = (3, 600, 800)
SCRIPT = """
import itertools, os, sys
from tests.data.loader.test_small_shared_memory import make_loader
assert os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize <= 2**20
for batch in itertools.islice(make_loader(), 5):
    assert all(int(item["image"][0, 0, 0]) == item["index"] for item in batch)
print("loaded")
"""


def make_sample(record):
    return record | {"image": torch.full(SAMPLE_SHAPE, float(record["index"]))}


def make_loader(**options):
    records = [{"index": index, "width": 4, "height": 3} for index in range(20)]
    return build_detection_train_loader(
        records, mapper=make_sample, total_batch_size=4, num_workers=2, seed=1, **options
    )


def test_forked_workers_use_anonymous_memory(monkeypatch, caplog):
    monkeypatch.setattr(shared_memory, "free_shared_memory", lambda: 1 << 20)
    batch = next(iter(make_loader(multiprocessing_context="fork")))
    assert [int(item["image"].mean()) for item in batch] == [item["index"] for item in batch]
    assert "/dev/shm has only 1 MiB: the data loader workers use anonymous shared memory instead" in caplog.text


def test_names_the_remedies_for_spawned_workers(monkeypatch):
    def fail(_):
        raise RuntimeError("no space")

    monkeypatch.setattr(shared_memory, "free_shared_memory", lambda: 1 << 20)
    monkeypatch.setattr(torch.Tensor, "share_memory_", fail)
    with pytest.raises(RuntimeError, match=r"need 64 MiB in /dev/shm: no space\. .*--shm-size=8g.*num_workers=0"):
        shared_memory.SharedSlots(2, 4, is_forked=False)


def test_a_test_loader_loads_in_the_main_process(monkeypatch, caplog):
    monkeypatch.setattr(build, "free_shared_memory", lambda: 1 << 20)
    loader = build_detection_test_loader([{"index": 3}], mapper=make_sample, num_workers=4, persistent_workers=True)
    assert loader.num_workers == 0
    assert next(iter(loader))[0]["image"].shape == SAMPLE_SHAPE
    assert "images are loaded in the main process" in caplog.text


def test_trains_with_one_mebibyte_of_shared_memory():
    command = f"mount -t tmpfs -o size=1m tmpfs /dev/shm && exec {shlex.quote(sys.executable)} -c {shlex.quote(SCRIPT)}"
    probe = ["unshare", "-m", "bash", "-c", "mount -t tmpfs -o size=1m tmpfs /dev/shm"]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("requires the permission to mount a file system")
    result = subprocess.run(["unshare", "-m", "bash", "-c", command], capture_output=True, text=True)
    assert result.stdout == "loaded\n", result.stderr[-2000:]
