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
    """A model with a parameter that never gets a gradient."""

    def __init__(self, *args):
        super().__init__(*args)
        self.unused = nn.Parameter(torch.zeros(1))


def fit(batches, parallel=False, accumulation_steps=1, model_class=Mean, **switches):
    """Return the weights after training on `batches`."""
    torch.manual_seed(0)
    model = model_class(3, 2)
    trained = create_ddp_model(model, **switches) if parallel else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SimpleTrainer(trained, batches, optimizer, accumulation_steps=accumulation_steps)
    trainer.train(0, len(batches) // accumulation_steps)
    return model.state_dict()


#: Name -> arguments of `fit` in two processes.
VARIANTS = {
    "plain": {},
    "static_graph": {"static_graph": True},
    "float16": {"fp16_compression": True},
    "unused": {"model_class": Partial, "find_unused_parameters": True},
}


def normalise(batch):
    """Return the output and the running mean of synchronised batch normalisation for a batch."""
    norm = synchronize_batch_norm(nn.Sequential(nn.BatchNorm2d(3)))
    return norm(batch[..., None, None])[..., 0, 0].detach(), norm[0].running_mean


class Faulty(Mean):
    """A model whose loss is NaN in iterations 1 and 3 of process 1."""

    def forward(self, batch):
        scale = math.nan if get_rank() == 1 and get_event_storage().iter in (1, 3) else 1.0
        return {"loss": super().forward(batch)["loss"] * scale}


def fit_skipping_nan(batches, folder):
    """Return the weights if all processes skip iterations with a NaN in one of them, at most twice."""
    torch.manual_seed(0)
    model = Faulty(3, 2)
    trainer = SimpleTrainer(create_ddp_model(model), batches, torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_hooks([NaNFinder(folder, skip=True, max_skips=1)])
    trainer.train(0, 3)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(FloatingPointError) as raised:
        trainer.train(3, 4)
    return weights, str(raised.value)


def check_error(**arguments):
    """Return the error message of `check_processes`."""
    with pytest.raises(RuntimeError) as raised:
        check_processes(**arguments)
    return str(raised.value)


def interrupt_after(samples):
    """Return a mapper that sends SIGTERM to the first process after a number of samples."""
    made = []

    def mapper(sample):
        made.append(sample)
        if len(made) == samples and get_rank() == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return augment(sample)

    return mapper


def work(folder, batches):
    """Run in each of two processes; the tests read the files that this writes."""
    own = [batch.chunk(get_world_size())[get_rank()] for batch in batches]
    check_processes("the same")
    MetadataCatalog.get("seen_by_one").json_file = str(folder / f"seen{get_rank()}.json")
    (folder / "seen0.json").touch()
    results = {name: fit(own, parallel=True, **arguments) for name, arguments in VARIANTS.items()}
    halves = [part for batch in own for part in batch.chunk(2)]
    results["accumulated"] = fit(halves, True, accumulation_steps=2)
    results["accumulated_static"] = fit(halves, True, accumulation_steps=2, static_graph=True)
    results["skipped"] = fit_skipping_nan(own + own, folder)
    results["norm"] = normalise(own[0])
    results["check_errors"] = check_error(config=f"a\nlr = {get_rank()}"), check_error(datasets=["seen_by_one"])
    torch.save(results, folder / f"results{get_rank()}.pth")
    train(load_recipe(folder / "whole", "train.max_iter=14"))
    config = load_recipe(folder / "parts", "train.max_iter=14", "train.checkpointer.period=100")
    config.dataloader.train.mapper = interrupt_after(samples=5)
    try:
        train(config)
    except TrainingInterrupted as error:
        (folder / f"code{get_rank()}").write_text(str(error.code))
    train(load_recipe(folder / "parts", "train.max_iter=14"), resume=True)


def exit_process(_):
    if get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    batches = [torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    launch(work, 2, dist_url="auto", args=(folder, batches))
    return folder, batches


def terminate_parent(_):
    if get_rank() == 1:
        os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(1000)


def hang(_):
    group = dist.new_group(timeout=datetime.timedelta(seconds=5))
    if get_rank() == 1:
        time.sleep(1000)
    all_gather("here", group)


@pytest.mark.parametrize("variant", [*VARIANTS, "accumulated", "accumulated_static"])
def test_two_processes_equal_one_on_the_joint_batch(two, variant):
    folder, batches = two
    joint = fit(batches)
    for rank in range(2):
        results = torch.load(folder / f"results{rank}.pth")[variant]
        assert all(
            torch.allclose(results[name], joint[name], atol=1e-3 if variant == "float16" else 1e-5) for name in joint
        )


def test_all_processes_skip_an_iteration_with_a_nan_in_one(two):
    folder, batches = two
    weights, errors = zip(*(torch.load(folder / f"results{rank}.pth")["skipped"] for rank in range(2)), strict=True)
    expected = fit([batches[0], batches[2]])
    assert all(torch.allclose(results[name], expected[name], atol=1e-5) for results in weights for name in expected)
    assert "iteration 3: a loss of another process is not finite" in errors[0]
    assert "iteration 3 in process 1: loss is not finite" in errors[1]
    assert (folder / "nan_iter1_rank1.pth").is_file()


def test_synchronised_batch_normalisation_equals_one_process_on_the_joint_batch(two):
    folder, batches = two
    norm = nn.BatchNorm2d(3)
    expected = norm(batches[0][..., None, None])[..., 0, 0]
    outputs, means = zip(*(torch.load(folder / f"results{rank}.pth")["norm"] for rank in range(2)), strict=True)
    assert torch.allclose(torch.cat(outputs), expected, atol=1e-5)
    assert all(torch.allclose(mean, norm.running_mean, atol=1e-6) for mean in means)


@pytest.mark.parametrize("rank", [0, 1])
def test_reports_differing_processes_in_all_of_them(two, rank):
    config, data = torch.load(two[0] / f"results{rank}.pth")["check_errors"]
    assert re.search(r"process 1 on .* has a different config than process 0: 'lr = 1' instead of 'lr = 0'", config)
    assert re.search(r"process 1 on .*: json_file of dataset 'seen_by_one' does not exist: .*seen1.json", data)


def test_all_processes_stop_when_one_receives_a_signal(two):
    assert [(two[0] / f"code{rank}").read_text() for rank in range(2)] == ["143", "143"]


def test_two_processes_resume_bit_exactly(two):
    whole, parts = (torch.load(two[0] / name / "model_final.pth")["model"] for name in ("whole", "parts"))
    assert (two[0] / "parts" / "model_0000009.pth").is_file()
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


def test_reports_a_killed_process_and_terminates_the_others():
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match="process 1 terminated with signal SIGKILL"):
        launch(exit_process, 2, args=(None,))


def test_a_signal_before_the_training_sets_the_exit_code():
    with pytest.raises(SystemExit) as raised:
        launch(terminate_parent, 2, args=(None,))
    assert raised.value.code == 143


def test_reports_a_hanging_process_and_the_pending_collective():
    with pytest.raises(torch.multiprocessing.ProcessRaisedException) as raised:
        launch(hang, 2, args=(None,))
    assert "all_gather: process 0 of 2 timed out: no response from process 1, dead or hanging" in str(raised.value)


def test_rejects_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RuntimeError, match=r"launch: cannot open port \d+ .* Address already in use"):
            launch(print, 2, dist_url=url)


def test_rejects_an_address_without_a_port():
    with pytest.raises(ValueError, match=r"dist_url must be like tcp://10\.0\.0\.1:29500, got 'somewhere'"):
        launch(print, 2, dist_url="somewhere")


def test_reports_processes_that_do_not_join():
    with pytest.raises(RuntimeError, match=r"process 1, 2 did not join within 0:00:00"):
        fresh_store(dist.HashStore(), 0, 3, datetime.timedelta(0))


def test_a_single_process_is_not_checked():
    check_processes(datasets=["no such dataset"])


def test_rejects_two_compressions():
    with pytest.raises(ValueError, match="mutually exclusive"):
        create_ddp_model(nn.Linear(1, 1), fp16_compression=True, bf16_compression=True)


def test_a_single_process_runs_in_the_calling_process():
    seen = []
    launch(seen.append, 1, args=("here",))
    assert seen == ["here"]


def test_rejects_several_machines_without_an_address():
    with pytest.raises(ValueError, match="dist_url must be an address"):
        launch(print, 1, num_machines=2, dist_url="auto")


def test_a_single_process_needs_no_ddp():
    model = nn.Linear(1, 1)
    assert create_ddp_model(model, fp16_compression=True) is model


def parallel_step(model):
    nn.parallel.DistributedDataParallel(model)(torch.ones(1, 1)).sum().backward()


def sharded_step(model):
    optimizer = torch.optim.SGD(shard_model(model).parameters(), lr=0.1)
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()


@pytest.fixture
def alone(monkeypatch):
    """Set the environment of a torchrun with a single process."""
    place = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": 0}
    for name, value in {**place, "TORCHELASTIC_RUN_ID": "alone", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("step", [parallel_step, sharded_step])
def test_a_finished_trainer_releases_the_process_group(step):
    groups = []

    def main():
        model = nn.Linear(1, 1)
        model.own_trainer = [model]  # a reference cycle, as hooks create
        step(model)
        groups.append(weakref.ref(dist.group.WORLD))

    launch(main, 1)
    assert groups[0]() is None


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("error", [TrainingInterrupted(signal.SIGTERM), ValueError("wrong")], ids=repr)
def test_a_failed_trainer_releases_the_process_group(error):
    groups = []

    def main():
        parallel = nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
        groups.append(weakref.ref(dist.group.WORLD))
        try:
            parallel("no tensor")
        except TypeError:
            raise error  # noqa: B904 - its context references local variables too

    with pytest.raises(type(error)):
        launch(main, 1)
    assert groups[0]() is None
