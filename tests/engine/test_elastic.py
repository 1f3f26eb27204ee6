"""torchrun starts a training again when one of its processes was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from detectory.core.distributed import get_rank
from detectory.engine import launch, train

from .conftest import load_recipe
from .toy_recipe import augment


def work(folder, kill):
    """What each process does: train; process 1 kills itself once, in its 24th sample."""
    config = load_recipe(folder, "train.max_iter=20", "train.checkpointer.period=4")
    is_doomed = kill and get_rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    made = []

    def mapper(sample):
        made.append(sample)
        if is_doomed and len(made) == 24:
            os.kill(os.getpid(), signal.SIGKILL)
        return augment(sample)

    config.dataloader.train.mapper = mapper
    train(config, resume=True)


def torchrun(folder, kill):
    root = Path(__file__).parents[2]
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={int(kill)}", "--monitor-interval=0.5"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", __name__, str(folder), str(int(kill))]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=500)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_restarted_training_continues_from_the_last_checkpoint_to_the_same_weights(tmp_path):
    results = {name: torchrun(tmp_path / name, kill) for name, kill in (("whole", False), ("killed", True))}
    assert [result.returncode for result in results.values()] == [0, 0], results["killed"].stderr[-2000:]
    assert "rank: 1" in results["killed"].stderr or "local_rank: 1" in results["killed"].stderr
    whole, killed = (torch.load(tmp_path / name / "model_final.pth")["model"] for name in results)
    assert all(torch.equal(killed[name], tensor) for name, tensor in whole.items())


if __name__ == "__main__":
    launch(work, 1, args=(sys.argv[1], sys.argv[2] == "1"))
