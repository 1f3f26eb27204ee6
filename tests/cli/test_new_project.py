"""`detectory new-project`: the created package works."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from detectory.cli import main
from detectory.cli.new_project import create_project


def test_created_project_passes_its_tests(tmp_path):
    folder = tmp_path / "sharp_boxes"
    result = CliRunner().invoke(main, ["new-project", "sharp-boxes", "--output", str(folder)])
    assert result.exit_code == 0, result.output
    path = os.pathsep.join([str(folder / "src"), *sys.path])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    tests = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert tests.returncode == 0, tests.stdout[-3000:]
    assert "@" not in "".join(file.read_text() for file in folder.rglob("*.py")).replace("@recipe", "")


@pytest.mark.parametrize("name", ["3d", "class", "a b", "Ä"])
def test_rejects_names_that_are_not_packages(name, tmp_path):
    with pytest.raises(ValueError, match="NAME must consist of lowercase letters"):
        create_project(name, tmp_path / "new")


def test_does_not_overwrite_files(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    result = CliRunner().invoke(main, ["new-project", "mine", "--output", str(tmp_path)])
    assert (result.exit_code, "already exists and is not empty" in result.output) == (2, True)
