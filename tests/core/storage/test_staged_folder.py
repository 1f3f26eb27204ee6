"""`staged_folder`: a new folder appears complete or not at all."""

import contextlib
import os
import socket

import pytest

from detectory.core.storage import staged_folder


@pytest.mark.parametrize("exists", [False, True], ids=["new folder", "empty folder"])
def test_a_folder_appears_complete(tmp_path, exists):
    path = tmp_path / "parent/dataset"
    if exists:
        path.mkdir(parents=True)
    with staged_folder(path) as folder:
        (folder / "labels").mkdir()
        (folder / "labels/1.txt").write_text("1")
        assert not (path / "labels").exists()
    assert [entry.name for entry in path.iterdir()] == ["labels"]
    assert [entry.name for entry in path.parent.iterdir()] == ["dataset"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [False, True], ids=["new folder", "empty folder"])
def test_nothing_remains_after_an_error(tmp_path, error, exists):
    path = tmp_path / "dataset"
    if exists:
        path.mkdir()
    manager = staged_folder(path)
    (manager.__enter__() / "1.txt").write_text("1")
    assert not manager.__exit__(error, error(), None)
    assert list(tmp_path.rglob("*")) == ([path] if exists else [])


@pytest.mark.parametrize(("name", "message"), [("file", "a file with this name exists"), ("", "is not empty")])
def test_existing_files_are_not_replaced(tmp_path, name, message):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=message), staged_folder(tmp_path / name):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_files_written_by_others_in_the_meantime_are_not_replaced(tmp_path):
    with contextlib.ExitStack() as stack:
        stack.enter_context(staged_folder(tmp_path / "new"))
        (tmp_path / "new").mkdir()
        (tmp_path / "new/1.txt").write_text("mine")
        with pytest.raises(FileExistsError, match="not empty"):
            stack.close()
    assert (tmp_path / "new/1.txt").read_text() == "mine"


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    dead, other = (tmp_path / f".dataset.{host}.999999999.unfinished" for host in (socket.gethostname(), "else"))
    dead.mkdir()
    other.mkdir()
    with staged_folder(tmp_path / "dataset") as folder:
        assert str(os.getpid()) in folder.name
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [other.name, "dataset"]
