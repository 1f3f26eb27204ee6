import os
import signal
import time

import pytest
import torch
import torch.distributed as dist
from torch import nn

from detectory.core.distributed import get_rank, get_world_size
from detectory.engine import SimpleTrainer, TrainingInterrupted, create_ddp_model, launch, train

from .conftest import load_recipe
from .toy_recipe import augment


class Mean(nn.Linear):
    def forward(self, batch):
        return {"loss": super().forward(batch).square().mean()}


def fit(batches, parallel=False):
    """The weights after three iterations on given batches."""
    torch.manual_seed(0)
    model = Mean(3, 2)
    trained = create_ddp_model(model) if parallel else model
    SimpleTrainer(trained, batches, torch.optim.SGD(model.parameters(), lr=0.1)).train(0, len(batches))
    return model.state_dict()


def interrupt_after(samples):
    """A mapper that sends SIGTERM to the first process when it has made so many samples."""
    made = []

    def mapper(sample):
        made.append(sample)
        if len(made) == samples and get_rank() == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return augment(sample)

    return mapper


def work(folder, batches):
    """What two processes do; the tests read what they leave."""
    own = [batch.chunk(get_world_size())[get_rank()] for batch in batches]
    torch.save(fit(own, parallel=True), folder / f"mean{get_rank()}.pth")
    train(load_recipe(folder / "whole", "train.max_iter=14"))
    config = load_recipe(folder / "parts", "train.max_iter=14", "train.checkpointer.period=100")
    config.dataloader.train.mapper = interrupt_after(samples=5)
    try:
        train(config)
    except TrainingInterrupted as error:
        (folder / f"code{get_rank()}").write_text(str(error.code))
    train(load_recipe(folder / "parts", "train.max_iter=14"), resume=True)


def leave(_):
    if get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    batches = [torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    launch(work, 2, dist_url="auto", args=(folder, batches))
    return folder, batches


def test_two_processes_equal_one_on_the_joint_batch(two):
    folder, batches = two
    joint = fit(batches)
    for rank in range(2):
        found = torch.load(folder / f"mean{rank}.pth")
        assert all(torch.allclose(found[name], joint[name], atol=1e-5) for name in joint)


def test_two_processes_stop_together_when_one_gets_a_signal(two):
    assert [(two[0] / f"code{rank}").read_text() for rank in range(2)] == ["143", "143"]


def test_two_processes_resume_to_the_last_bit(two):
    whole, parts = (torch.load(two[0] / name / "model_final.pth")["model"] for name in ("whole", "parts"))
    assert (two[0] / "parts" / "model_0000009.pth").is_file()
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


def test_a_killed_process_ends_the_others_and_is_named():
    start = time.monotonic()
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match="process 1 terminated with signal SIGKILL"):
        launch(leave, 2, args=(None,))
    assert time.monotonic() - start < 60


def test_one_process_runs_here():
    seen = []
    launch(seen.append, 1, args=("here",))
    assert seen == ["here"]


def test_rejects_machines_without_a_meeting_point():
    with pytest.raises(ValueError, match="dist_url must be an address"):
        launch(print, 1, num_machines=2, dist_url="auto")


def test_one_process_needs_no_wrapper():
    model = nn.Linear(1, 1)
    assert create_ddp_model(model, fp16_compression=True) is model
