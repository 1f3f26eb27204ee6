"""Loading of 118,287 annotated images with 860,001 objects, the first time and later, and access to single records.

The peers are parsing the JSON file alone, which a reader without an index does at every start, and records that are
pickled in one buffer.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detectory.data import PackedList
from detectory.data.formats import open_coco_index

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DETECTORY_TEST_DATA", ROOT.parent / "shared" / "data")) / "coco"


def _generator() -> ModuleType:
    """Return the module that writes the large file; the tests use it too."""
    spec = importlib.util.spec_from_file_location(
        "large_coco", ROOT / "tests" / "data" / "formats" / "coco" / "large_coco.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = DATA / "annotations" / "instances_train2017.json"
    if not source.is_file():
        pytest.skip(f"{source} does not exist: set DETECTORY_TEST_DATA to a folder that contains coco/")
    file = tmp_path_factory.mktemp("large") / "instances_train2017.json"
    _generator().write_large_coco(source, file)
    open_coco_index(file, "photos")
    return file


@pytest.mark.parametrize("implementation", ["detectory", "json.load alone"])
def test_load_annotations_of_118287_images(benchmark, large, implementation):
    benchmark.group = "load the annotations of 118,287 images"
    loads = {
        "detectory": lambda: len(open_coco_index(large, "photos")),
        "json.load alone": lambda: len(json.loads(large.read_bytes())["images"]),
    }
    assert benchmark.pedantic(loads[implementation], rounds=2, iterations=1) == 118_287


@pytest.mark.parametrize("implementation", ["detectory", "json.load alone"])
def test_load_annotations_of_118287_images_for_the_first_time(benchmark, large, implementation):
    """Build the index (parse, check, write). Each runs in a separate process, and its peak memory is reported too."""
    benchmark.group = "load the annotations of 118,287 images for the first time"
    code = {
        "detectory": f"build_index({str(large)!r})",
        "json.load alone": f"json.load(open({str(large)!r}))",
    }[implementation]
    measured = benchmark.pedantic(lambda: json.loads(_run_alone(code)), rounds=1, iterations=1)
    benchmark.extra_info.update(measured)


def build_index(file: str) -> None:
    """Delete the index of a file and load the file."""
    for index in Path(file).parent.glob(".*.index"):
        index.unlink()
    assert len(open_coco_index(file, "photos")) == 118_287


def _run_alone(code: str) -> str:
    """Run code in a new process and return its time and memory increase as JSON."""
    lines = [
        "import json, time",
        "from benchmarks.data.bench_large_index import build_index",
        "from benchmarks.memory import resident",
        "before, start = resident('VmRSS'), time.perf_counter()",
        code,
        "seconds, grown = time.perf_counter() - start, (resident('VmHWM') - before) / 2**20",
        "print(json.dumps({'seconds': round(seconds, 1), 'MiB': round(grown)}))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("implementation", ["detectory", "pickled in one buffer"])
def test_make_records(benchmark, large, implementation):
    benchmark.group = "read 1000 records in random order"
    index = open_coco_index(large, "photos")
    positions = np.random.default_rng(0).choice(len(index), 1000, replace=False).tolist()
    records = index if implementation == "detectory" else PackedList(index[position] for position in range(20_000))
    order = [position % len(records) for position in positions]
    made = benchmark(lambda: [records[place] for place in order])
    assert all(record["annotations"] is not None for record in made)
