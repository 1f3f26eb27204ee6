"""Restarts and SIGTERM handling of trainings under torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.engine.conftest import load_recipe
from tests.engine.toy_recipe import augment

from detectory.core.distributed import get_rank
from detectory.engine import launch, train


def work(folder, kill, iterations):
    """Train; if `kill` is set, process 1 kills itself once, at its 24th sample."""
    config = load_recipe(folder, f"train.max_iter={iterations}", "train.checkpointer={period:4,max_to_keep:3}")
    is_victim = kill and get_rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    made = []

    def mapper(sample):
        made.append(sample)
        if is_victim and len(made) == 24:
            os.kill(os.getpid(), signal.SIGKILL)
        return augment(sample)

    config.dataloader.train.mapper = mapper
    train(config, resume=True)


def start_torchrun(folder, kill=False, iterations=20):
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={int(kill)}", "--monitor-interval=0.5"]
    program = ["-m", __name__, str(folder), str(int(kill)), str(iterations)]
    command = [sys.executable, "-m", "torch.distributed.run", *options, *program]
    return subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True)


def torchrun(folder, kill):
    with start_torchrun(folder, kill) as process:
        _, errors = process.communicate(timeout=500)
    return process.returncode, errors


def wait_for(path):
    end = time.monotonic() + 200
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="requires POSIX signals")
def test_a_restarted_training_reaches_the_same_weights(tmp_path):
    results = {name: torchrun(tmp_path / name, kill) for name, kill in (("uninterrupted", False), ("killed", True))}
    assert [code for code, _ in results.values()] == [0, 0], results["killed"][1][-2000:]
    assert "local_rank: 1" in results["killed"][1]
    whole, killed = (torch.load(tmp_path / name / "model_final.pth")["model"] for name in results)
    assert all(torch.equal(killed[name], tensor) for name, tensor in whole.items())


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="requires POSIX signals")
def test_sigterm_to_torchrun_saves_a_checkpoint_of_the_last_iteration(tmp_path):
    with start_torchrun(tmp_path / "run", iterations=100_000) as process:
        wait_for(tmp_path / "run" / "model_0000003.pth")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    name = (tmp_path / "run" / "last_checkpoint").read_text()
    last = json.loads((tmp_path / "run" / "metrics.json").read_text().splitlines()[-1])["iteration"]
    assert name == f"model_{last:07d}.pth"
    assert torch.load(tmp_path / "run" / name)["iteration"] == last


if __name__ == "__main__":
    launch(work, 1, args=(sys.argv[1], sys.argv[2] == "1", int(sys.argv[3])))
