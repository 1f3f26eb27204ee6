import os
import subprocess
import sys

import pytest

from detectory.core.storage import OutputFiles

KILLED = """
import os, sys
from detectory.core.storage import OutputFiles
with OutputFiles(sys.argv[1]).replacing("a.txt") as path:
    path.write_text("half")
    os.kill(os.getpid(), 9)
"""


def write(folder, text, **options):
    with OutputFiles(folder, **options).replacing("sub/a.txt") as path:
        path.write_text(text)


def test_replaces_a_file_that_it_wrote(tmp_path):
    write(tmp_path, "one")
    write(tmp_path, "two")
    assert (tmp_path / "sub" / "a.txt").read_text() == "two"


@pytest.mark.parametrize("is_new", [True, False], ids=["a user's file", "a file changed by the user"])
def test_never_replaces_a_file_of_the_user(tmp_path, is_new):
    if not is_new:
        write(tmp_path, "one")
    (tmp_path / "sub").mkdir(exist_ok=True)
    (tmp_path / "sub" / "a.txt").write_text("mine!")
    with pytest.raises(FileExistsError, match=r"a\.txt exists and was not written by this command.*--overwrite"):
        write(tmp_path, "two")
    assert (tmp_path / "sub" / "a.txt").read_text() == "mine!"
    write(tmp_path, "two", overwrite=True)
    assert (tmp_path / "sub" / "a.txt").read_text() == "two"


def test_never_replaces_an_input(tmp_path):
    write(tmp_path, "one")
    alias = tmp_path / "alias.txt"
    alias.symlink_to(tmp_path / "sub" / "a.txt")
    with pytest.raises(FileExistsError, match="would replace an input"):
        write(tmp_path, "two", overwrite=True, inputs=[alias])


def test_an_error_leaves_the_old_file(tmp_path):
    write(tmp_path, "one")
    with pytest.raises(TypeError), OutputFiles(tmp_path).replacing("sub/a.txt") as path, path.open("w") as file:
        file.write(3)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.txt"]
    assert (tmp_path / "sub" / "a.txt").read_text() == "one"


@pytest.mark.skipif(sys.platform == "win32", reason="requires SIGKILL")
def test_a_killed_process_leaves_no_half_written_file(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)]).returncode == -9
    assert not (tmp_path / "a.txt").exists()


def test_names_the_first_foreign_file_and_counts_the_others(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("")
    with pytest.raises(FileExistsError, match=rf"{tmp_path}{os.sep}a \(and 2 more\) exists"):
        OutputFiles(tmp_path).check("abc")
