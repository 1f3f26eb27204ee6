"""The record of a folder proves that its files are unchanged."""

import os

import pytest

from detectory.core.storage import foreign_file, record_files, staged_folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "data/images/1.txt").write_text("1")
    (tmp_path / "data/link").symlink_to(tmp_path)
    record_files(tmp_path / "data")
    return tmp_path / "data"


def test_a_recorded_folder_has_no_foreign_file_also_after_a_move(folder):
    assert foreign_file(folder) is None
    folder.rename(folder.with_name("moved"))
    assert foreign_file(folder.with_name("moved")) is None


@pytest.mark.parametrize("change", ["added", "changed", "linked", "no record"])
def test_added_and_changed_files_are_foreign(folder, change):
    if change == "added":
        (folder / "images/2.txt").write_text("2")
    elif change == "changed":
        os.utime(folder / "images/1.txt", (1, 1))
    elif change == "linked":
        (folder / "images/other").symlink_to(folder)
    else:
        (folder / ".detectory-folder.jsonl").unlink()
    assert foreign_file(folder) is not None
    with pytest.raises(FileExistsError, match="the folder is not replaced"), staged_folder(folder, overwrite=True):
        pass
    assert (folder / "images/1.txt").read_text() == "1"


def test_a_recorded_folder_is_replaced_at_the_end_and_kept_after_an_error(folder):
    manager = staged_folder(folder, overwrite=True)
    (manager.__enter__() / "new.txt").write_text("new")
    assert not manager.__exit__(OSError, OSError(), None)
    assert (folder / "images/1.txt").exists()
    with staged_folder(folder, overwrite=True) as staged:
        (staged / "new.txt").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["new.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["data"]
