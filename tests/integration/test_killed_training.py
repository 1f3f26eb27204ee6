"""A training run that is killed repeatedly ends with the same losses and weights as an uninterrupted run."""

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from detectory.core.checkpoint import checkpointer
from detectory.core.config import LazyConfig
from detectory.core.events import get_event_storage
from detectory.engine import train
from detectory.engine.recipe.lookup import load_recipe
from detectory.engine.recipe.use_dataset import use_dataset
from detectory.modeling.meta_arch import GeneralizedRCNN

KILLS = 5 if os.environ.get("DETECTORY_SLOW_TESTS") == "short" else 20
ITERATIONS = 5 * KILLS


class Logged(GeneralizedRCNN):
    """Mask R-CNN that logs the exact losses of each iteration.

    After as many iterations as the environment variable LINES says, it starts a timer that kills the process at a
    random time within the next iteration or checkpoint. SIGALRM is not handled, so that the kernel ends the process
    as with SIGKILL, independently of the load of the machine.
    """

    written, last = 0, 0.0

    def forward(self, batched_inputs):
        losses = super().forward(batched_inputs)
        with Path(os.environ["LOSSES"]).open("a") as file:
            values = " ".join(value.item().hex() for value in losses.values())
            file.write(f"{get_event_storage().iter} {values}\n")
        self.written, duration, self.last = self.written + 1, time.monotonic() - self.last, time.monotonic()
        if str(self.written) == os.environ["LINES"]:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + min(duration, 1.0) * os.urandom(1)[0] / 256)
        return losses


def run(folder, dataset, overrides, lines, killing_write):
    """Train in this process; `killing_write`, if not 0, is the index of the checkpoint write that kills it."""
    os.environ |= {"LOSSES": str(folder / "losses.txt"), "LINES": str(lines)}
    torch.set_num_threads(1)
    if killing_write:
        die_in_write(killing_write)
    # Stays open until the process exits, which writes its errors there.
    sys.stderr = (folder / "stderr.txt").open("a", buffering=1)
    config = load_recipe("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py")
    use_dataset(config, dataset)
    config.model._target_ = Logged
    config.dataloader.evaluator = None
    train(LazyConfig.apply_overrides(config, [*overrides, f"train.output_dir={folder / 'run'}"]), resume=True)


def die_in_write(index):
    """Make this process kill itself within the given write of a checkpoint, after half of the data."""
    write, left = checkpointer._WatchedFile.write, [index]

    def write_half_and_die(self, data):
        left[0] -= 1
        if left[0] == 0:
            write(self, bytes(data)[: len(data) // 2])
            self.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, data)

    checkpointer._WatchedFile.write = write_half_and_die


def start(folder, dataset, overrides, lines=0, killing_write=0):
    """Train to the end, or until killed after `lines` iterations or in `killing_write`; return the exit code."""
    process = CONTEXT.Process(target=run, args=(folder, dataset, overrides, lines, killing_write))
    process.start()
    process.join()
    return process.exitcode


def losses(folder):
    """Return the losses by iteration, and check that repeated iterations have the same losses."""
    by_iteration = {}
    for line in (folder / "losses.txt").read_text().splitlines():
        iteration, *values = line.split()
        assert by_iteration.setdefault(int(iteration), values) == values, f"losses of iteration {iteration} differ"
    return by_iteration


def check_last_checkpoint(run_folder):
    """Check that the last checkpoint is complete and contains the iteration of its file name."""
    name = (run_folder / "last_checkpoint").read_text()
    content = torch.load(run_folder / name)
    assert name == "model_final.pth" or f"{content['iteration']:07d}" in name


if os.name == "posix":
    CONTEXT = multiprocessing.get_context("forkserver")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_killed_training_has_the_losses_and_weights_of_an_uninterrupted_one(coco_folder, tmp_path, tiny):
    overrides = [
        *tiny,
        "train.device=cpu",
        f"train.max_iter={ITERATIONS}",
        "optimizer.lr=0.001",
        "train.eval_period=0",
        "train.checkpointer.period=2",
        "train.checkpointer.max_to_keep=2",
        "dataloader.train.num_workers=1",
        "+dataloader.train.multiprocessing_context=fork",
        "+train.seed=7",
    ]
    CONTEXT.set_forkserver_preload(["detectory.zoo", "detectory.engine", "torch.utils.tensorboard"])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    assert start(whole, coco_folder, overrides) == 0
    for kill in range(KILLS):
        moment = {"killing_write": 9} if kill % 10 == 4 else {"lines": random.randint(2, 4)}
        assert start(killed, coco_folder, overrides, **moment) in (-signal.SIGKILL, -signal.SIGALRM)
        if (killed / "run" / "last_checkpoint").exists():
            check_last_checkpoint(killed / "run")
    assert start(killed, coco_folder, overrides) == 0
    assert losses(killed) == losses(whole)
    final = [torch.load(folder / "run" / "model_final.pth") for folder in (whole, killed)]
    assert all(torch.equal(final[1]["model"][name], value) for name, value in final[0]["model"].items())
    assert not list((killed / "run").glob(".*unfinished"))
