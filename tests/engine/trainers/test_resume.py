import os
import random
import signal
import time

import pytest
import torch
from tests.engine.conftest import run_recipe
from tests.engine.toy_recipe import augment

from detectory.core.config import LazyCall
from detectory.engine import TrainingInterrupted, train


def losses(log):
    """Return the logged losses by iteration; repeated iterations must have equal losses."""
    found = {}
    for line in log.read_text().splitlines():
        iteration, *values = line.split()
        assert found.setdefault(int(iteration), values) == values, f"iteration {iteration} ran with other losses"
    return found


def start(processes, folder, overrides):
    """Start the recipe in a separate process."""
    arguments = (folder / "output", [f"+model.log={folder / 'losses.txt'}", *overrides], True)
    process = processes.Process(target=run_recipe, args=arguments, daemon=False)
    process.start()
    return process


def run(processes, folder, *overrides):
    """Run the recipe in a separate process and return the exit code."""
    process = start(processes, folder, overrides)
    process.join()
    return process.exitcode


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["dataloader.train.num_workers=2"],
        ["train.amp.enabled=true", "+train.amp.dtype=float16"],
        ["+train.moving_average={decay:0.9}", "+train.nan_finder={}"],
    ],
    ids=["plain", "workers", "float16", "average"],
)
@pytest.mark.filterwarnings("ignore:.*emulates float16")
def test_a_stopped_training_resumes_with_the_same_losses(recipe, tmp_path, overrides):
    train(recipe(*overrides, f"+model.log={tmp_path / 'whole.txt'}"))
    whole = torch.load(tmp_path / "output" / "model_final.pth")
    parts = [*overrides, f"+model.log={tmp_path / 'parts.txt'}", f"train.output_dir={tmp_path / 'parts'}"]
    with pytest.raises(FloatingPointError):
        train(recipe(*parts, "model.fail_at=17"))
    (tmp_path / "parts.txt").write_text("".join((tmp_path / "parts.txt").read_text().splitlines(True)[:14]))
    train(recipe(*parts), resume=True)
    assert losses(tmp_path / "parts.txt").items() <= losses(tmp_path / "whole.txt").items()
    parts = torch.load(tmp_path / "parts" / "model_final.pth")
    assert all(torch.equal(parts["model"][name], value) for name, value in whole["model"].items())
    hooks = [final["trainer"].get("hooks", {}).get("MovingAverage", {"average": {}}) for final in (whole, parts)]
    assert all(torch.equal(hooks[1]["average"][name], value) for name, value in hooks[0]["average"].items())


@pytest.mark.parametrize(
    "optimizer", [torch.optim.AdamW, torch.optim.Adafactor, torch.optim.RMSprop, torch.optim.NAdam]
)
def test_torch_optimizers_resume_exactly(recipe, tmp_path, optimizer):
    config = recipe("train.max_iter=10", "train.checkpointer.period=3")
    config.optimizer = LazyCall(optimizer)(params=config.optimizer.params, lr=0.01)
    train(config)
    whole = torch.load(tmp_path / "output" / "model_final.pth")["model"]
    config.train.output_dir, config.model.fail_at = str(tmp_path / "parts"), 7
    with pytest.raises(FloatingPointError):
        train(config)
    config.model.fail_at = -1
    train(config, resume=True)
    found = torch.load(tmp_path / "parts" / "model_final.pth")["model"]
    assert all(torch.equal(found[name], value) for name, value in whole.items())


@pytest.mark.slow
def test_a_training_killed_five_times_has_the_losses_of_an_uninterrupted_one(processes, tmp_path):
    overrides = [
        "train.max_iter=60",
        "dataloader.train.num_workers=1",
        "+dataloader.train.multiprocessing_context=fork",
    ]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert run(processes, tmp_path / "whole", *overrides) == 0
    for lines in random.Random(5).choices(range(5, 11), k=5):
        assert run(processes, tmp_path / "killed", *overrides, f"+model.alarm_after={lines}") == -signal.SIGALRM
    assert run(processes, tmp_path / "killed", *overrides) == 0
    assert losses(tmp_path / "killed" / "losses.txt") == losses(tmp_path / "whole" / "losses.txt")


def test_a_killed_training_resumes_with_the_same_losses(processes, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    assert run(processes, tmp_path / "whole") == 0
    assert run(processes, tmp_path / "killed", "+model.kill_after=12") == -signal.SIGKILL
    assert run(processes, tmp_path / "killed") == 0
    assert losses(tmp_path / "killed" / "losses.txt") == losses(tmp_path / "whole" / "losses.txt")


def test_sigterm_saves_a_checkpoint_of_the_last_iteration(processes, tmp_path):
    process = start(processes, tmp_path, ["train.max_iter=100000"])
    while process.is_alive() and not (tmp_path / "output" / "last_checkpoint").exists():
        time.sleep(0.01)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    last = max(losses(tmp_path / "losses.txt"))
    saved = torch.load(tmp_path / "output" / f"model_{last:07d}.pth")
    assert saved["iteration"] == saved["trainer"]["iteration"] == last
    assert (tmp_path / "output" / "last_checkpoint").read_text() == f"model_{last:07d}.pth"


def test_a_signal_sets_the_exit_code(recipe):
    config = recipe()
    config.dataloader.train.mapper = lambda sample: [augment(sample), os.kill(os.getpid(), signal.SIGTERM)][0]
    with pytest.raises(TrainingInterrupted) as raised:
        train(config)
    assert raised.value.code == 128 + signal.SIGTERM
