"""Programs in the idioms of Detectron2's projects run unchanged, by command line, `install` and in two processes."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
LAST_LINE = {
    "own_data": "loaded in a spawned worker",
    "own_model": "built, trained and augmented",
    "own_trainer": "trained in 1 processes",
}
# These take the usual arguments.
STARTED = ("augmentations", "dense", "evaluator", "lazy", "loop", "rpn", "semantic", "tta", "write_metrics")
INSTALL = "import runpy, sys; from detectory.compat.detectron2 import install; install(); sys.argv = sys.argv[1:]; "


def run(way, name, *arguments):
    program = str(PROGRAMS / f"{name}.py")
    command = {
        "command line": ["-m", "detectory.compat.detectron2", program],
        "install": ["-c", f"{INSTALL} runpy.run_path(sys.argv[0], run_name='__main__')", program],
    }[way]
    result = subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("way", ["command line", "install"])
@pytest.mark.parametrize("name", sorted(LAST_LINE))
def test_program_runs_unchanged(name, way, tmp_path):
    arguments = ["--root", str(tmp_path)] if name == "own_trainer" else [str(tmp_path)]
    assert LAST_LINE[name] in run(way, name, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["command line", "install"])
@pytest.mark.parametrize("name", STARTED)
def test_started_program_runs_unchanged(name, way, tmp_path):
    if name == "semantic":
        pytest.importorskip("detectory.projects.deeplab", reason="needs detectory-deeplab")
    output = run(way, f"own_{name}", "--root", str(tmp_path))
    assert f"finished own_{name}.py in 1 processes" in output


@pytest.mark.slow
def test_program_runs_in_two_processes(tmp_path):
    output = run("command line", "own_trainer", "--num-gpus", "2", "--root", str(tmp_path))
    assert "trained in 2 processes" in output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluator", "rpn", "semantic", "tta", "write_metrics"])
def test_started_program_runs_in_several_processes(name, tmp_path):
    if name == "semantic":
        pytest.importorskip("detectory.projects.deeplab", reason="needs detectory-deeplab")
    output = run("command line", f"own_{name}", "--num-gpus", "2", "--root", str(tmp_path))
    assert f"finished own_{name}.py in 2 processes" in output
