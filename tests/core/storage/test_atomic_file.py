import os
import subprocess
import sys

import pytest

from detectory.core.storage import atomic_write

FULL_DISK = """
import resource, signal, sys
from detectory.core.storage import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
with atomic_write(sys.argv[1]) as file:
    file.write(b"x" * 100_000)
"""
KILLED = """
import os, signal, sys
from detectory.core.storage import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"x" * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    return path


def run(script, path):
    return subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)


def test_replaces_the_file_at_the_end_of_the_block(path):
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_creates_missing_folders_and_writes_text(tmp_path):
    with atomic_write(tmp_path / "a" / "b.txt", "w") as file:
        file.write("ü")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "ü"


def test_an_exception_leaves_only_the_old_file(path):
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.write(3)
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"old", ["file.bin"])


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits require POSIX")
def test_a_full_disk_leaves_the_old_file_and_one_message(path):
    result = run(FULL_DISK, path)
    assert result.returncode != 0
    assert f"the file is unchanged: '{path}'" in result.stderr.splitlines()[-1]
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"old", ["file.bin"])


@pytest.mark.skipif(sys.platform == "win32", reason="requires SIGKILL")
def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(path):
    assert run(KILLED, path).returncode == -9
    assert path.read_bytes() == b"old"
    with atomic_write(path) as file:
        file.write(b"new")
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"new", ["file.bin"])


def test_rejects_other_modes(path):
    with pytest.raises(ValueError, match="mode must be 'wb' or 'w', got 'a'"), atomic_write(path, "a"):
        pass
