"""Seconds to load annotations of COCO's size, 118,287 images with 860,001 objects, and to make one record.

The peers: parsing the JSON file alone (what every reader that does not keep an index pays at each start), and records
that are kept pickled in one buffer.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detectory.data import PackedList
from detectory.data.datasets import open_coco_index

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DETECTORY_TEST_DATA", ROOT.parent / "shared" / "data")) / "coco"


def _generator() -> ModuleType:
    """The module that writes the large file, which the tests use too."""
    spec = importlib.util.spec_from_file_location("large_coco", ROOT / "tests" / "data" / "large_coco.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = DATA / "annotations" / "instances_train2017.json"
    if not source.is_file():
        pytest.skip(f"no annotations at {source}: set DETECTORY_TEST_DATA to a folder that holds coco/")
    file = tmp_path_factory.mktemp("large") / "instances_train2017.json"
    _generator().write_large_coco(source, file)
    open_coco_index(file, "photos", "large")
    return file


@pytest.mark.parametrize("implementation", ["detectory", "json.load alone"])
def test_load_annotations_of_118287_images(benchmark, large, implementation):
    benchmark.group = "load the annotations of 118,287 images"
    loads = {
        "detectory": lambda: len(open_coco_index(large, "photos", "large")),
        "json.load alone": lambda: len(json.loads(large.read_bytes())["images"]),
    }
    assert benchmark.pedantic(loads[implementation], rounds=2, iterations=1) == 118_287


@pytest.mark.parametrize("implementation", ["detectory", "pickled in one buffer"])
def test_make_records(benchmark, large, implementation):
    benchmark.group = "make 1000 records in random order"
    index = open_coco_index(large, "photos", "large")
    places = np.random.default_rng(0).choice(len(index), 1000, replace=False).tolist()
    records = index if implementation == "detectory" else PackedList(index[place] for place in range(20_000))
    order = [place % len(records) for place in places]
    made = benchmark(lambda: [records[place] for place in order])
    assert all(record["annotations"] is not None for record in made)
