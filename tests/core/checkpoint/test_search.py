import logging
import re

import pytest
import torch
from torch import nn

from detectory.core.checkpoint import (
    Checkpointer,
    CheckpointError,
    PeriodicCheckpointer,
    checkpoint_problem,
    find_checkpoint,
)


@pytest.fixture
def run(tmp_path):
    """Return a folder with checkpoints of the iterations 1, 3 and 5 and the final one."""
    periodic = PeriodicCheckpointer(Checkpointer(nn.Linear(300, 3), tmp_path), period=2, max_iter=6)
    for iteration in range(6):
        periodic.step(iteration)
    return tmp_path


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[content.index(torch.load(path)["model"]["weight"].numpy().tobytes()) + 400] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def resume(folder):
    return Checkpointer(nn.Linear(300, 3), folder).resume_or_load("", resume=True)


def test_uses_the_file_named_in_last_checkpoint(run):
    (run / "last_checkpoint").write_text("model_0000003.pth")
    assert find_checkpoint(run).path == run / "model_0000003.pth"
    assert find_checkpoint(run).skipped == ()


@pytest.mark.parametrize("content", [None, "", "model_0000077.pth"], ids=["missing", "empty", "points to nothing"])
def test_finds_the_newest_checkpoint_without_a_valid_last_checkpoint(run, content):
    (run / "last_checkpoint").unlink() if content is None else (run / "last_checkpoint").write_text(content)
    found = find_checkpoint(run)
    assert found.path == run / "model_final.pth"
    assert found.skipped[0] in (
        "last_checkpoint is missing",
        "last_checkpoint is empty",
        "model_0000077.pth does not exist",
    )


def test_a_final_checkpoint_of_a_shorter_training_is_older(run):
    Checkpointer(nn.Linear(300, 3), run).save("model_0000009", iteration=9)
    (run / "last_checkpoint").unlink()
    assert find_checkpoint(run).path == run / "model_0000009.pth"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(truncate, "is truncated or corrupt"), (flip_a_bit, "checksum of .*data/[0-9]+ differs"), (empty, "is empty")],
)
def test_skips_damaged_files_and_says_why(run, damage, reason, caplog):
    for name in ("model_final.pth", "model_0000005.pth"):
        damage(run / name)
    with caplog.at_level(logging.WARNING):
        assert resume(run)["iteration"] == 3
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split()[1] for message in messages] == ["model_final.pth", "model_0000005.pth"]
    assert all(re.search(reason, message) for message in messages)


def test_never_starts_anew_if_all_checkpoints_are_damaged(run):
    for path in run.glob("*.pth"):
        empty(path)
    with pytest.raises(
        CheckpointError, match=r"contains no intact checkpoint: model_final\.pth is empty; model_0000005"
    ):
        resume(run)


def test_never_starts_anew_if_only_the_best_checkpoint_is_left(run):
    (run / "model_final.pth").rename(run / "model_best.pth")
    for path in run.glob("*_0*.pth"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"model_best\.pth is not used to resume"):
        resume(run)


def test_skips_final_weights_without_an_iteration(run):
    torch.save({"model": {}}, run / "model_final.pth")
    (run / "last_checkpoint").unlink()
    assert find_checkpoint(run).path == run / "model_0000005.pth"
    assert "model_final.pth contains only weights" in find_checkpoint(run).skipped


def test_weights_of_other_names_are_not_checkpoints(tmp_path):
    torch.save({"model": {}}, tmp_path / "R-50.pth")
    assert find_checkpoint(tmp_path) == find_checkpoint(tmp_path / "missing")
    assert resume(tmp_path) == {}


def test_reports_a_file_that_is_not_a_checkpoint(tmp_path):
    (tmp_path / "a.pth").write_text("hello")
    assert checkpoint_problem(tmp_path / "a.pth") == "is not a checkpoint, or is corrupt"
    assert checkpoint_problem(tmp_path) == "is a folder"
