"""Sharded models and their checkpoints with two processes."""

import pickle
import re
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from tests.engine.conftest import load_recipe
from torch import nn

from detectory.core.distributed import get_rank, get_world_size, synchronize
from detectory.data.classes import ClassList
from detectory.engine import ShardedCheckpointer, SimpleTrainer, launch, shard_model, train
from detectory.engine.distributed.sharded_files import load_sharded_model
from detectory.engine.inference.run_folder import last_checkpoint
from detectory.engine.inference.trained_classes import trained_classes


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 2)

    def forward(self, batch):
        return {"loss": (self.head(self.backbone(batch)) - 1).square().mean()}


def trainer_of(batches, seed, sharded=False, **arguments):
    torch.manual_seed(seed)
    model = Blocks()
    if sharded:
        shard_model(model, **arguments)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    return SimpleTrainer(model, batches, optimizer)


def whole(model):
    return {name: value.full_tensor() for name, value in model.state_dict().items()}


def messages(checkpointer, folder):
    """Return the errors for a shard that cannot be written and for metadata with a disallowed global."""
    if get_rank() == 1:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
    checkpointer.save("model_0000099")
    with pytest.raises(OSError) as full:
        checkpointer.wait()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    kept = checkpointer.get_checkpoint_file()
    synchronize()
    if get_rank() == 0:
        (folder / "blocks" / "model_0000002" / ".metadata").write_bytes(pickle.dumps(print))
    synchronize()
    with pytest.raises(RuntimeError) as refused:
        checkpointer.load(str(folder / "blocks" / "model_0000002"))
    return str(full.value), Path(kept).name, str(refused.value)


def work(folder, batches):
    """Run in each of two processes; the tests read the files that this writes."""
    own = [batch.chunk(get_world_size())[get_rank()] for batch in batches]
    results = {}
    for name, units in (("default", None), ("named", ["backbone.0", "head"])):
        trainer = trainer_of(own, seed=0, sharded=True, units=units)
        trainer.train(0, len(batches))
        results[name] = whole(trainer.model)
    trainer = trainer_of(own, seed=0, sharded=True, param_dtype=torch.bfloat16, reshard_after_forward=False)
    trainer.train(0, len(batches))
    results["bfloat16"] = whole(trainer.model)
    trainer = trainer_of(own, seed=0, sharded=True)
    trainer.train(0, 3)
    first = ShardedCheckpointer(trainer, folder / "blocks", classes=ClassList(("mug", "pen"), (7, 9)))
    first.save("model_0000002", iteration=2)
    first.wait()
    synchronize()
    results["third"] = whole(trainer.model)
    if get_rank() == 0:
        shutil.copytree(folder / "blocks", folder / "sole")
    # Process 1 starts from other values, which must not matter: the checkpoint replaces both.
    resumed = trainer_of(own[3:], seed=5 + get_rank(), sharded=True)
    checkpointer = ShardedCheckpointer(resumed, folder / "blocks")
    results["iteration"] = checkpointer.resume_or_load("")["iteration"]
    resumed.train(3, len(batches))
    results["resumed"] = whole(resumed.model)
    results["messages"] = messages(checkpointer, folder)
    torch.save(results, folder / f"results{get_rank()}.pth")
    sharded = ["train.max_iter=12", "+train.fsdp={}", "train.checkpointer={period:4,max_to_keep:1}"]
    train(load_recipe(folder / "whole", *sharded))
    train(load_recipe(folder / "bfloat16", "train.max_iter=2", "+train.fsdp={param_dtype:bfloat16}"))
    with pytest.raises(FloatingPointError):
        train(load_recipe(folder / "parts", *sharded, "model.fail_at=9"))
    train(load_recipe(folder / "parts", *sharded), resume=True)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The output folder of two processes and their joint batches."""
    folder = tmp_path_factory.mktemp("sharded")
    batches = list(torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(1)))
    launch(work, 2, args=(folder, batches))
    return folder, batches


@pytest.mark.parametrize(("variant", "tolerance"), [("default", 1e-5), ("named", 1e-5), ("bfloat16", 0.05)])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_sharded_model_equals_an_unsharded_one_on_the_joint_batch(two, variant, tolerance, rank):
    folder, batches = two
    joint = trainer_of(batches, seed=0)
    joint.train(0, len(batches))
    results = torch.load(folder / f"results{rank}.pth")[variant]
    assert all(torch.allclose(results[name], value, atol=tolerance) for name, value in joint.model.state_dict().items())


def test_a_resumed_training_reaches_the_same_weights(two):
    results = torch.load(two[0] / "results0.pth")
    assert results["iteration"] == 2
    assert all(torch.equal(results["resumed"][name], value) for name, value in results["default"].items())


def test_a_resumed_recipe_reaches_the_same_weights(two):
    finals = [torch.load(two[0] / name / "model_final.pth")["model"] for name in ("whole", "parts")]
    assert all(torch.equal(finals[1][name], value) for name, value in finals[0].items())
    assert (two[0] / "parts" / "last_checkpoint").read_text() == "model_final.pth"


def test_units_in_bfloat16_are_saved_in_float32(two):
    saved = torch.load(two[0] / "bfloat16" / "model_final.pth")["model"]
    assert {value.dtype for value in saved.values()} == {torch.float32, torch.int64}


def test_keeps_only_the_newest_checkpoint(two):
    folders = sorted(path.name for path in (two[0] / "parts").iterdir() if path.is_dir())
    assert folders == ["model_0000011", "model_final"]
    assert (two[0] / "parts" / "last_sharded_checkpoint").read_text() == "model_final"


def test_one_process_reads_a_checkpoint_of_two(two):
    folder = two[0] / "whole"
    expected = torch.load(folder / "model_final.pth")["model"]
    results = {"model": {name: torch.zeros_like(value) for name, value in expected.items()}}
    dcp.load(results, checkpoint_id=folder / "model_final", no_dist=True)
    assert all(torch.equal(results["model"][name], value) for name, value in expected.items())


@pytest.mark.parametrize("rank", [0, 1])
def test_a_full_disk_of_one_process_fails_in_all_and_keeps_the_last_checkpoint(two, rank):
    full, kept, _ = torch.load(two[0] / f"results{rank}.pth")["messages"]
    assert re.search(
        r"ShardedCheckpointer.save: cannot write a shard: process 1: OSError: \[Errno 27\] File too large", full
    )
    assert kept == "model_0000002"


def test_refuses_metadata_with_other_globals(two):
    refused = torch.load(two[0] / "results0.pth")["messages"][2]
    assert re.search(r"model_0000002/.metadata: .* global builtins.print is not allowed", refused)


def test_one_process_reads_weights_and_classes_of_a_sharded_checkpoint(two, tmp_path):
    folder = Path(last_checkpoint(two[0] / "sole"))
    assert folder.name == "model_0000002"
    model = Blocks()
    rest = load_sharded_model(model, folder)
    state = torch.load(two[0] / "results0.pth")["third"]
    assert rest["iteration"] == 2
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    assert trained_classes(folder) == trained_classes(model) == ClassList(("mug", "pen"), (7, 9))


def save_some(folder, batches):
    trainer = trainer_of(batches, seed=0, sharded=True)
    trainer.train(0, len(batches))
    checkpointer = ShardedCheckpointer(trainer, folder / "blocks")
    checkpointer.save("model_0000005", iteration=5)
    checkpointer.wait()
    torch.save(whole(trainer.model), folder / "of_two.pth")


def resume_with_more(folder, batches):
    trainer = trainer_of(batches, seed=get_rank(), sharded=True)
    results = ShardedCheckpointer(trainer, folder / "blocks").resume_or_load("")
    torch.save([results["iteration"], whole(trainer.model)], folder / f"of_three{get_rank()}.pth")


@pytest.mark.slow
def test_three_processes_resume_a_checkpoint_of_two(tmp_path):
    batches = list(torch.randn(6, 8, 4))
    launch(save_some, 2, args=(tmp_path, batches))
    launch(resume_with_more, 3, args=(tmp_path, batches))
    expected = torch.load(tmp_path / "of_two.pth")
    for rank in range(3):
        iteration, results = torch.load(tmp_path / f"of_three{rank}.pth")
        assert iteration == 5
        assert all(torch.equal(results[name], value) for name, value in expected.items())


def test_rejects_a_single_process():
    with pytest.raises(RuntimeError, match="shard_model: no process group"):
        shard_model(nn.Linear(1, 1))
