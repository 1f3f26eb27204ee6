import datetime
import json
import weakref

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from detectory.core import distributed


def work(rank, folder):
    """What each of two processes does; its findings go to a file that the tests read."""
    timeout = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{folder}/store", timeout, rank=rank, world_size=2)
    # The names come in another order in each process.
    values = {"a": torch.tensor(1.0 + rank), "b": torch.tensor(3.0)}
    reduced = distributed.reduce_dict(values if rank == 0 else dict(reversed(values.items())))
    found = {
        "place before": [distributed.get_local_rank(), distributed.get_local_size()],
        "all_gather": distributed.all_gather({"rank": rank}),
        "gather": distributed.gather(rank, dst=1),
        "seeds": distributed.all_gather(distributed.shared_random_seed()),
        "reduced": {name: value.item() for name, value in reduced.items()},
    }
    distributed.create_local_process_group(1)
    found["place after"] = [distributed.get_local_rank(), distributed.get_local_size()]
    found["world"] = [distributed.get_rank(), distributed.get_world_size(), distributed.is_main_process()]
    distributed.synchronize()
    world = weakref.ref(dist.group.WORLD)
    distributed.forget_local_process_group()
    dist.destroy_process_group()
    found["world outlives its end"] = world() is not None
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    multiprocessing.spawn(work, args=(folder,), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_all_gather_gives_everything_to_everybody(found):
    assert [process["all_gather"] for process in found] == [[{"rank": 0}, {"rank": 1}]] * 2


def test_gather_gives_everything_to_one(found):
    assert [process["gather"] for process in found] == [[], [0, 1]]


def test_all_processes_share_the_seed(found):
    assert len({seed for process in found for seed in process["seeds"]}) == 1


def test_reduce_dict_takes_the_mean_by_name(found):
    assert found[0]["reduced"] == {"a": 1.5, "b": 3.0}


def test_processes_know_their_places(found):
    assert [process["world"] for process in found] == [[0, 2, True], [1, 2, False]]
    assert [process["place before"] for process in found] == [[0, 2], [1, 2]]
    assert [process["place after"] for process in found] == [[0, 1], [0, 1]]


def test_one_process_needs_no_group():
    assert distributed.all_gather("x") == distributed.gather("x") == ["x"]
    assert (distributed.get_rank(), distributed.get_world_size(), distributed.get_local_size()) == (0, 1, 1)
    assert distributed.reduce_dict({"a": 1}) == {"a": 1}
    distributed.synchronize()


def test_rejects_a_local_group_that_nobody_made():
    with pytest.raises(RuntimeError, match="no local group"):
        distributed.get_local_process_group()


def test_nothing_holds_the_process_group_after_its_end(found):
    assert [process["world outlives its end"] for process in found] == [False, False]
