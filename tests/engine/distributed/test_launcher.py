import datetime
import math
import os
import re
import signal
import socket
import time
import weakref

import pytest
import torch
import torch.distributed as dist
from tests.engine.conftest import load_recipe
from tests.engine.toy_recipe import augment
from torch import nn

from detectory.core.distributed import all_gather, get_rank, get_world_size
from detectory.core.events import get_event_storage
from detectory.data import MetadataCatalog
from detectory.engine import (
    SimpleTrainer,
    TrainingInterrupted,
    check_processes,
    create_ddp_model,
    launch,
    shard_model,
    synchronize_batch_norm,
    train,
)
from detectory.engine.distributed.rendezvous import fresh_store
from detectory.engine.hooks import NaNFinder


class Mean(nn.Linear):
    def forward(self, batch):
        return {"loss": super().forward(batch).square().mean()}


class Partial(Mean):
    """One of its parameters never gets a gradient."""

    def __init__(self, *args):
        super().__init__(*args)
        self.unused = nn.Parameter(torch.zeros(1))


def fit(batches, parallel=False, accumulation_steps=1, kind=Mean, **switches):
    """The weights after the iterations that given batches make."""
    torch.manual_seed(0)
    model = kind(3, 2)
    trained = create_ddp_model(model, **switches) if parallel else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SimpleTrainer(trained, batches, optimizer, accumulation_steps=accumulation_steps)
    trainer.train(0, len(batches) // accumulation_steps)
    return model.state_dict()


#: Name -> arguments of `fit` in two processes.
KINDS = {
    "plain": {},
    "static_graph": {"static_graph": True},
    "float16": {"fp16_compression": True},
    "unused": {"kind": Partial, "find_unused_parameters": True},
}


def normalise(batch):
    """What batch normalisation over all processes makes of a batch, and the mean that it remembers."""
    norm = synchronize_batch_norm(nn.Sequential(nn.BatchNorm2d(3)))
    return norm(batch[..., None, None])[..., 0, 0].detach(), norm[0].running_mean


class Faulty(Mean):
    """Its loss is NaN in iterations 1 and 3 of process 1."""

    def forward(self, batch):
        scale = math.nan if get_rank() == 1 and get_event_storage().iter in (1, 3) else 1.0
        return {"loss": super().forward(batch)["loss"] * scale}


def fit_without_faults(batches, folder):
    """The weights when iterations with a NaN in one process are left out by all, twice at most."""
    torch.manual_seed(0)
    model = Faulty(3, 2)
    trainer = SimpleTrainer(create_ddp_model(model), batches, torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_hooks([NaNFinder(folder, skip=True, max_skips=1)])
    trainer.train(0, 3)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(FloatingPointError) as raised:
        trainer.train(3, 4)
    return weights, str(raised.value)


def refusal(**arguments):
    """What `check_processes` says."""
    with pytest.raises(RuntimeError) as raised:
        check_processes(**arguments)
    return str(raised.value)


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
    check_processes("the same")
    MetadataCatalog.get("seen_by_one").json_file = str(folder / f"seen{get_rank()}.json")
    (folder / "seen0.json").touch()
    found = {name: fit(own, parallel=True, **arguments) for name, arguments in KINDS.items()}
    halves = [part for batch in own for part in batch.chunk(2)]
    found["accumulated"] = fit(halves, True, accumulation_steps=2)
    found["accumulated_static"] = fit(halves, True, accumulation_steps=2, static_graph=True)
    found["skipped"] = fit_without_faults(own + own, folder)
    found["norm"] = normalise(own[0])
    found["refusals"] = refusal(config=f"a\nlr = {get_rank()}"), refusal(datasets=["seen_by_one"])
    torch.save(found, folder / f"found{get_rank()}.pth")
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
    time.sleep(1000)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    batches = [torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    launch(work, 2, dist_url="auto", args=(folder, batches))
    return folder, batches


def ask_to_stop(_):
    if get_rank() == 1:
        os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(1000)


def hang(_):
    group = dist.new_group(timeout=datetime.timedelta(seconds=5))
    if get_rank() == 1:
        time.sleep(1000)
    all_gather("here", group)


@pytest.mark.parametrize("kind", [*KINDS, "accumulated", "accumulated_static"])
def test_two_processes_equal_one_on_the_joint_batch(two, kind):
    folder, batches = two
    joint = fit(batches)
    for rank in range(2):
        found = torch.load(folder / f"found{rank}.pth")[kind]
        assert all(torch.allclose(found[name], joint[name], atol=1e-3 if kind == "float16" else 1e-5) for name in joint)


def test_all_processes_skip_an_iteration_whose_loss_is_not_finite_in_one(two):
    folder, batches = two
    weights, errors = zip(*(torch.load(folder / f"found{rank}.pth")["skipped"] for rank in range(2)), strict=True)
    expected = fit([batches[0], batches[2]])
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for found in weights for name in expected)
    assert "iteration 3: a loss of another process is not finite" in errors[0]
    assert "iteration 3 in process 1: loss is not finite" in errors[1]
    assert (folder / "nan_iter1_rank1.pth").is_file()


def test_batch_normalisation_over_two_processes_sees_the_joint_batch(two):
    folder, batches = two
    norm = nn.BatchNorm2d(3)
    expected = norm(batches[0][..., None, None])[..., 0, 0]
    outputs, means = zip(*(torch.load(folder / f"found{rank}.pth")["norm"] for rank in range(2)), strict=True)
    assert torch.allclose(torch.cat(outputs), expected, atol=1e-5)
    assert all(torch.allclose(mean, norm.running_mean, atol=1e-6) for mean in means)


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_that_differ_are_named_in_all_of_them(two, rank):
    config, data = torch.load(two[0] / f"found{rank}.pth")["refusals"]
    assert re.search(r"process 1 on .* has another config than process 0: 'lr = 1' instead of 'lr = 0'", config)
    assert re.search(r"process 1 on .*: the json_file of the dataset 'seen_by_one' is missing: .*seen1.json", data)


def test_two_processes_stop_together_when_one_gets_a_signal(two):
    assert [(two[0] / f"code{rank}").read_text() for rank in range(2)] == ["143", "143"]


def test_two_processes_resume_to_the_last_bit(two):
    whole, parts = (torch.load(two[0] / name / "model_final.pth")["model"] for name in ("whole", "parts"))
    assert (two[0] / "parts" / "model_0000009.pth").is_file()
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


def test_a_killed_process_ends_the_others_and_is_named():
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match="process 1 terminated with signal SIGKILL"):
        launch(leave, 2, args=(None,))


def test_a_signal_that_comes_before_the_training_ends_all_processes_with_its_code():
    with pytest.raises(SystemExit) as raised:
        launch(ask_to_stop, 2, args=(None,))
    assert raised.value.code == 143


def test_a_process_that_hangs_is_named_with_what_the_others_wait_for():
    with pytest.raises(torch.multiprocessing.ProcessRaisedException) as raised:
        launch(hang, 2, args=(None,))
    assert "all_gather: process 0 of 2 timed out: no response from process 1, dead or hanging" in str(raised.value)


def test_rejects_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RuntimeError, match=r"launch: this machine cannot open port \d+ .* Address already in use"):
            launch(print, 2, dist_url=url)


def test_rejects_an_address_without_port():
    with pytest.raises(ValueError, match=r"dist_url must be like tcp://10\.0\.0\.1:29500, got 'somewhere'"):
        launch(print, 2, dist_url="somewhere")


def test_a_process_that_does_not_come_is_named():
    with pytest.raises(RuntimeError, match=r"process 1, 2 did not come within 0:00:00"):
        fresh_store(dist.HashStore(), 0, 3, datetime.timedelta(0))


def test_one_process_needs_no_check():
    check_processes(datasets=["no such dataset"])


def test_rejects_two_compressions():
    with pytest.raises(ValueError, match="choose one of"):
        create_ddp_model(nn.Linear(1, 1), fp16_compression=True, bf16_compression=True)


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


def parallel_step(model):
    nn.parallel.DistributedDataParallel(model)(torch.ones(1, 1)).sum().backward()


def divided_step(model):
    optimizer = torch.optim.SGD(shard_model(model).parameters(), lr=0.1)
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()


@pytest.fixture
def alone(monkeypatch):
    """The environment of the only process of a torchrun."""
    place = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": 0}
    for name, value in {**place, "TORCHELASTIC_RUN_ID": "alone", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("step", [parallel_step, divided_step])
def test_a_trainer_does_not_hold_the_process_group_after_its_end(step):
    groups = []

    def main():
        model = nn.Linear(1, 1)
        model.own_trainer = [model]  # a cycle, as hooks make
        step(model)
        groups.append(weakref.ref(dist.group.WORLD))

    launch(main, 1)
    assert groups[0]() is None


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("error", [TrainingInterrupted(signal.SIGTERM), ValueError("wrong")], ids=repr)
def test_a_trainer_that_an_error_ended_does_not_hold_the_process_group(error):
    groups = []

    def main():
        parallel = nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
        groups.append(weakref.ref(dist.group.WORLD))
        try:
            parallel("no tensor")
        except TypeError:
            raise error  # noqa: B904 - its context holds variables too

    with pytest.raises(type(error)):
        launch(main, 1)
    assert groups[0]() is None
