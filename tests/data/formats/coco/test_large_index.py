"""A dataset of COCO's size: 118,287 images with 860,001 annotations costs a worker next to no memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.formats.coco.large_coco import IMAGES, INSTANCES, write_large_coco

from detectory.data.formats import open_coco_index

SCRIPT = Path(__file__).with_name("worker_memory.py")


@pytest.fixture(scope="module")
def large(test_data, tmp_path_factory):
    file = tmp_path_factory.mktemp("large") / "instances_train2017.json"
    write_large_coco(test_data / "coco/annotations/instances_train2017.json", file)
    return file


def worker_memory(*arguments):
    """The workers' mean memory in MB after each epoch."""
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_large_index_holds_all_annotations(large):
    index = open_coco_index(large, "photos")
    assert len(index) == IMAGES
    assert sum(index.category_counts().values()) <= INSTANCES
    assert sum(len(index[place]["annotations"]) for place in range(0, IMAGES, 90 * 13)) > 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_large_dataset_costs_a_worker_less_than_30_mb_and_no_more_in_later_epochs(large, method):
    open_coco_index(large, "")
    (without,) = worker_memory(method, "-", 1)
    epochs = worker_memory(method, large, 3)
    assert max(epochs) - without < 30
    assert max(epochs) - min(epochs) < 10
