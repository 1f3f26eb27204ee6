"""Fixtures that register datasets for the evaluators."""

import sys
import uuid
from pathlib import Path

import pytest

from detectory.data import DatasetCatalog, MetadataCatalog

sys.path.insert(0, str(Path(__file__).parent))  # for the helper modules in this folder


@pytest.fixture
def coco_gold(test_data):
    """Folder of COCO's own example results and their published metrics."""
    return test_data / "coco_gold"


@pytest.fixture
def registered():
    """Function that registers a dataset under a new name; removed after the test."""
    names = []

    def register(dicts=None, **metadata):
        names.append(f"evaluated_{uuid.uuid4().hex}")
        if dicts is not None:
            DatasetCatalog.register(names[-1], lambda: dicts)
        MetadataCatalog.get(names[-1]).set(**metadata)
        return names[-1]

    yield register
    for name in names:
        if name in DatasetCatalog:
            DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def registered_coco(registered, tmp_path):
    """Function that registers a dataset of `coco_datasets` and returns its name."""
    from coco_datasets import write_json
    from coco_outputs import CLASSES

    def register(ground_truth):
        return registered(json_file=str(write_json(tmp_path / "ground_truth.json", ground_truth)), **CLASSES)

    return register
