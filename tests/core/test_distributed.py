import datetime

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from detectory.core import distributed


def run_in_group(rank, world_size, file, check):
    timeout = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{file}", timeout, rank=rank, world_size=world_size)
    check(rank)
    dist.destroy_process_group()


def check_exchange(rank):
    assert distributed.all_gather({"rank": rank}) == [{"rank": 0}, {"rank": 1}]
    assert distributed.gather(rank, dst=1) == ([0, 1] if rank == 1 else [])
    assert len(set(distributed.all_gather(distributed.shared_random_seed()))) == 1
    distributed.synchronize()


def check_reduce(rank):
    # The names come in another order in each process.
    values = {"a": torch.tensor(1.0 + rank), "b": torch.tensor(3.0)}
    reduced = distributed.reduce_dict(values if rank == 0 else dict(reversed(values.items())))
    assert rank == 1 or {name: value.item() for name, value in reduced.items()} == {"a": 1.5, "b": 3.0}


def check_local_group(rank):
    distributed.create_local_process_group(1)
    assert (distributed.get_local_rank(), distributed.get_local_size()) == (0, 1)
    assert (distributed.get_rank(), distributed.get_world_size()) == (rank, 2)
    assert distributed.is_main_process() == (rank == 0)
    with pytest.raises(RuntimeError, match="exists already"):
        distributed.create_local_process_group(1)


@pytest.mark.parametrize("check", [check_exchange, check_reduce, check_local_group])
def test_two_processes(tmp_path, check):
    multiprocessing.spawn(run_in_group, args=(2, tmp_path / "store", check), nprocs=2)


def test_one_process_needs_no_group():
    assert distributed.all_gather("x") == distributed.gather("x") == ["x"]
    assert (distributed.get_rank(), distributed.get_world_size(), distributed.get_local_size()) == (0, 1, 1)
    assert distributed.reduce_dict({"a": 1}) == {"a": 1}
    distributed.synchronize()


def test_rejects_a_local_group_that_nobody_made():
    with pytest.raises(RuntimeError, match="no local group"):
        distributed.get_local_process_group()
