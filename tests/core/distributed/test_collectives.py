import datetime
import json
import weakref

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from detectory.core import distributed


def work(rank, folder):
    """Run the collectives in one of two processes and write the results to a file."""
    timeout = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{folder}/store", timeout, rank=rank, world_size=2)
    # The insertion order differs between the processes.
    values = {"a": torch.tensor(1.0 + rank), "b": torch.tensor(3.0)}
    reduced = distributed.reduce_dict(values if rank == 0 else dict(reversed(values.items())))
    results = {
        "local before": [distributed.get_local_rank(), distributed.get_local_size()],
        "all_gather": distributed.all_gather({"rank": rank}),
        "gather": distributed.gather(rank, dst=1),
        "seeds": distributed.all_gather(distributed.shared_random_seed()),
        "reduced": {name: value.item() for name, value in reduced.items()},
    }
    distributed.create_local_process_group(1)
    results["local after"] = [distributed.get_local_rank(), distributed.get_local_size()]
    results["world"] = [distributed.get_rank(), distributed.get_world_size(), distributed.is_main_process()]
    distributed.synchronize()
    world = weakref.ref(dist.group.WORLD)
    distributed.forget_local_process_group()
    dist.destroy_process_group()
    results["world group leaked"] = world() is not None
    (folder / f"{rank}.json").write_text(json.dumps(results))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    multiprocessing.spawn(work, args=(folder,), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_all_gather_returns_all_data_in_every_process(results):
    assert [process["all_gather"] for process in results] == [[{"rank": 0}, {"rank": 1}]] * 2


def test_gather_returns_all_data_in_one_process(results):
    assert [process["gather"] for process in results] == [[], [0, 1]]


def test_shared_random_seed_is_equal_in_all_processes(results):
    assert len({seed for process in results for seed in process["seeds"]}) == 1


def test_reduce_dict_averages_by_name(results):
    assert results[0]["reduced"] == {"a": 1.5, "b": 3.0}


def test_reports_global_and_local_ranks(results):
    assert [process["world"] for process in results] == [[0, 2, True], [1, 2, False]]
    assert [process["local before"] for process in results] == [[0, 2], [1, 2]]
    assert [process["local after"] for process in results] == [[0, 1], [0, 1]]


def test_works_without_a_process_group():
    assert distributed.all_gather("x") == distributed.gather("x") == ["x"]
    assert (distributed.get_rank(), distributed.get_world_size(), distributed.get_local_size()) == (0, 1, 1)
    assert distributed.reduce_dict({"a": 1}) == {"a": 1}
    distributed.synchronize()


def test_rejects_a_missing_local_group():
    with pytest.raises(RuntimeError, match="no local process group"):
        distributed.get_local_process_group()


def test_the_destroyed_process_group_is_released(results):
    assert [process["world group leaked"] for process in results] == [False, False]
