"""Run folders: locks, refusal to reuse, damaged checkpoints, and changes of the config before a resume."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from tests.engine.conftest import RECIPE

from detectory.core.checkpoint import CheckpointError
from detectory.core.storage import FolderInUseError, FolderLock
from detectory.engine import evaluate, train

TRAINING = """
import sys
from tests.engine.conftest import load_recipe
from detectory.engine import evaluate, train
train(load_recipe(sys.argv[1], "train.max_iter=1000000", f"model.log={sys.argv[2]}"), resume="--resume" in sys.argv)
"""


@pytest.fixture
def run(recipe, tmp_path):
    """Return the folder of a finished training of four iterations."""
    train(recipe("train.max_iter=4", "train.checkpointer.period=2"))
    return tmp_path / "output"


def iteration(path):
    return torch.load(path)["iteration"]


def contents(folder):
    """Return the files of a run, without the log of all attempts."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "log.txt"}


@pytest.mark.parametrize("left", [None, "config.yaml", "metrics.json", "model_0000001.pth"], ids=str)
def test_refuses_a_folder_with_a_run(recipe, run, left):
    for path in run.iterdir():
        if left not in (None, path.name):
            path.unlink()
    before = contents(run)
    with pytest.raises(
        FileExistsError, match=r"contains a run \(.*Pass --resume to continue it, --overwrite to replace"
    ):
        train(recipe("train.max_iter=2"))
    assert contents(run) == before


def test_overwrite_replaces_a_run(recipe, run):
    (run / "notes.txt").write_text("mine")
    train(recipe("train.max_iter=2"), overwrite=True)
    assert [path.name for path in sorted(run.glob("*.pth"))] == ["model_final.pth"]
    assert iteration(run / "model_final.pth") == 1
    assert (run / "notes.txt").read_text() == "mine"


def test_overwrite_never_deletes_the_initial_weights(recipe, run):
    before = contents(run)
    with pytest.raises(ValueError, match=r"would delete the initial weights .*model_final\.pth"):
        train(recipe(f"train.init_checkpoint={run / 'model_final.pth'}"), overwrite=True)
    assert contents(run) == before


def test_rejects_resume_together_with_overwrite(recipe):
    with pytest.raises(ValueError, match="exclude each other"):
        train(recipe(), resume=True, overwrite=True)


def test_an_evaluation_leaves_the_run_unchanged(recipe, run):
    before = contents(run)
    evaluate(recipe("train.max_iter=9"))
    assert contents(run) == before


def test_a_failed_check_leaves_no_run(recipe, tmp_path):
    with pytest.raises(ValueError, match="total_batch_size"):
        train(recipe("dataloader.train.total_batch_size=0"))
    train(recipe("train.max_iter=1"))
    assert not (tmp_path / "output" / ".lock").exists()


def start(folder, log, *arguments):
    command = [sys.executable, "-c", TRAINING, str(folder), str(log), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=RECIPE.parents[2])
    while not log.exists() and process.poll() is None:
        time.sleep(0.02)
    return process


def test_a_second_training_in_the_folder_is_refused_and_names_the_first(recipe, tmp_path):
    first = start(tmp_path / "output", tmp_path / "log")
    try:
        with pytest.raises(FolderInUseError, match=rf"output is in use by process {first.pid} since "):
            train(recipe(), resume=True)
    finally:
        first.kill()
        first.communicate()
    train(recipe("train.max_iter=2"), overwrite=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_leaves_a_checkpoint_to_resume_from(recipe, tmp_path, number):
    process = start(tmp_path / "output", tmp_path / "log")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"{number.name}: stopping after this iteration" in errors
    last = int((tmp_path / "log").read_text().splitlines()[-1].split()[0])
    assert (tmp_path / "output" / "last_checkpoint").read_text() == f"model_{last:07d}.pth"
    train(recipe(f"train.max_iter={last + 2}"), resume=True)
    assert iteration(tmp_path / "output" / "model_final.pth") == last + 1


def test_a_second_interrupt_stops_at_once(tmp_path):
    process = start(tmp_path / "output", tmp_path / "log")
    os.kill(process.pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("content", [None, "", "model_0000077.pth"], ids=["missing", "empty", "points to nothing"])
def test_resumes_without_a_valid_last_checkpoint(recipe, run, content, caplog):
    (run / "last_checkpoint").unlink() if content is None else (run / "last_checkpoint").write_text(content)
    caplog.set_level(logging.INFO)
    train(recipe("train.max_iter=6"), resume=True)
    assert iteration(run / "model_final.pth") == 5
    assert "starting training from iteration 4 of 6" in caplog.text


def test_resumes_from_an_older_checkpoint_if_the_newest_is_truncated(recipe, run, caplog):
    for name in ("model_final.pth", "model_0000003.pth"):
        (run / name).write_bytes((run / name).read_bytes()[:-700])
    caplog.set_level(logging.INFO)
    train(recipe("train.max_iter=6"), resume=True)
    assert "resume: model_final.pth is truncated or corrupt" in caplog.text
    assert "starting training from iteration 2 of 6" in caplog.text


def test_never_starts_anew_over_damaged_checkpoints(recipe, run):
    for path in run.glob("*.pth"):
        path.write_bytes(b"")
    before = contents(run)
    with pytest.raises(CheckpointError, match=r"contains no intact checkpoint: model_final\.pth is empty; "):
        train(recipe("train.max_iter=6"), resume=True)
    assert contents(run) == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+model.width=8"], r"'layers\.0\.weight' has shape \(16, 2\), now \(8, 2\) and 5 more\."),
        (["+model.depth=2"], r"new parameters: extra\.0\.weight.*; the optimizer has new parameters: extra\.0\.weight"),
        (
            ["optimizer._target_=torch.optim.Adagrad", "~optimizer.momentum"],
            r"model_final\.pth does not fit the current config: the optimizer was SGD, now Adagrad\. Restore",
        ),
        (["optimizer.params.weight_decay_norm=0.5", "optimizer.params.weight_decay_bias=0.1"], "parameter groups, now"),
    ],
    ids=["shapes", "names", "optimizer", "groups"],
)
def test_says_what_changed_before_the_first_step(recipe, run, overrides, message):
    before = contents(run)
    changed = [f"+{item}" if "weight_decay_bias" in item else item for item in overrides]
    with pytest.raises(CheckpointError, match=message):
        train(recipe("train.max_iter=6", *changed), resume=True)
    assert contents(run) == before


def test_training_works_while_the_caller_holds_the_lock(recipe, tmp_path):
    (tmp_path / "output").mkdir()
    with FolderLock(tmp_path / "output"):
        train(recipe("train.max_iter=1"))
    assert not (tmp_path / "output" / ".lock").exists()
