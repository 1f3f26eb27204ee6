import json
import os
import subprocess
import sys
import threading
import time

import pytest

from detectory.core.storage import FolderInUseError, FolderLock, folder_lock

HOLDER = """
import sys, time
from detectory.core.storage import FolderLock
with FolderLock(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""
FORKED = """
import os, sys, time
from detectory.core.storage import FolderLock
with FolderLock(sys.argv[1]):
    if os.fork() == 0:
        time.sleep(60)
    print("locked", flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of `tmp_path`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


def write_foreign_lock(folder):
    (folder / ".lock").write_text(json.dumps({"host": "node-7", "pid": 17, "started": "2026-01-02T03:04:05+00:00"}))


def test_removes_the_lock_file_at_the_end(tmp_path):
    with FolderLock(tmp_path) as lock:
        assert lock.path.is_file()
    assert os.listdir(tmp_path) == []


def test_the_same_process_can_lock_twice(tmp_path):
    with FolderLock(tmp_path):
        with FolderLock(tmp_path) as inner:
            assert inner.is_held
        assert (tmp_path / ".lock").is_file()
    assert not FolderLock(tmp_path).is_held


def test_names_the_holder(tmp_path, holder):
    with (
        pytest.raises(FolderInUseError, match=rf"is in use by process {holder.pid} since 20.*\(-c "),
        FolderLock(tmp_path),
    ):
        pass
    assert not FolderLock(tmp_path).is_held


@pytest.mark.skipif(sys.platform == "win32", reason="requires SIGKILL")
def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
def test_forked_children_do_not_keep_the_lock(tmp_path):
    with subprocess.Popen([sys.executable, "-c", FORKED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        process.wait()
        with FolderLock(tmp_path):
            pass


def test_replaces_the_lock_of_another_machine_without_a_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "_EXPIRY", 0.3)
    write_foreign_lock(tmp_path)
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_respects_the_heartbeat_of_another_machine(tmp_path):
    write_foreign_lock(tmp_path)
    beat = threading.Timer(0.3, os.utime, (tmp_path / ".lock",))
    beat.start()
    with pytest.raises(FolderInUseError, match=r"process 17 on node-7 .* does not run any more, delete "):
        FolderLock(tmp_path).__enter__()
    beat.join()


def test_updates_the_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "_HEARTBEAT", 0.05)
    with FolderLock(tmp_path) as lock:
        before = lock.path.stat().st_mtime_ns
        time.sleep(0.3)
        assert lock.path.stat().st_mtime_ns > before


def test_accepts_a_lock_file_that_was_not_finished(tmp_path):
    (tmp_path / ".lock").write_text('{"host": "no')
    with FolderLock(tmp_path):
        pass


def test_checks_the_process_if_the_file_system_has_no_locks(tmp_path, monkeypatch, holder):
    monkeypatch.setattr(folder_lock, "fcntl", None)
    monkeypatch.setattr(folder_lock, "_EXPIRY", 1)
    os.utime(tmp_path / ".lock", (1, 1))
    beat = threading.Timer(0.3, os.utime, (tmp_path / ".lock",))
    beat.start()
    with pytest.raises(FolderInUseError):
        FolderLock(tmp_path).__enter__()
    holder.kill()
    holder.wait()
    with FolderLock(tmp_path):
        pass
