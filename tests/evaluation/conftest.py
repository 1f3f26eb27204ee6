"""Datasets that evaluators are tried on."""

import sys
import uuid
from pathlib import Path

import pytest

from detectory.data import DatasetCatalog, MetadataCatalog

sys.path.insert(0, str(Path(__file__).parent))  # test modules share coco_datasets.py


@pytest.fixture
def coco_gold(test_data):
    """The folder with COCO's own example results and their published figures."""
    return test_data / "coco_gold"


@pytest.fixture
def registered():
    """Registers datasets under names of their own and forgets them afterwards."""
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
