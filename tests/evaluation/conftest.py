"""Datasets that evaluators are tried on."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test modules share coco_sets.py


@pytest.fixture
def coco_gold(test_data):
    """The folder with COCO's own example results and their published figures."""
    return test_data / "coco_gold"
