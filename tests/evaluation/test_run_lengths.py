"""Packed RLE masks."""

import pickle

import numpy as np
import pytest
from coco_datasets import random_rle
from pycocotools import mask as mask_api

from detectory.evaluation import RunLengths
from detectory.evaluation.run_lengths import InvalidMaskError


@pytest.fixture
def masks():
    rng = np.random.default_rng(0)
    return [random_rle(rng, int(rng.integers(4, 60)), int(rng.integers(4, 60))) for _ in range(20)]


def as_text(masks):
    return [{**mask, "counts": mask["counts"].decode()} for mask in masks]


def test_unpacked_masks_equal_the_packed_ones(masks):
    packed = RunLengths.from_rles(masks)
    assert as_text(packed) == masks
    assert as_text([packed[3], packed[-1]]) == [masks[3], masks[-1]]
    assert as_text(packed[2:5]) == masks[2:5]
    with pytest.raises(IndexError):
        packed[20]


def test_concatenate_and_select_keep_the_order(masks):
    packed = RunLengths.concatenate(
        [RunLengths.from_rles(masks[:7]), RunLengths.from_rles(()), RunLengths.from_rles(masks[7:])]
    )
    assert as_text(packed) == masks
    assert as_text(packed.select(np.array([5, 0, 5]))) == [masks[5], masks[0], masks[5]]


def test_areas_and_boxes_equal_pycocotools(masks, monkeypatch):
    monkeypatch.setattr("detectory.evaluation.run_lengths._CHUNK", 7)
    packed = RunLengths.from_rles(masks)
    packed.check()
    assert packed.areas().tolist() == mask_api.area(masks).tolist()
    assert packed.boxes().tolist() == mask_api.toBbox(masks).tolist()
    assert (len(RunLengths.from_rles(()).areas()), RunLengths.from_rles(()).boxes().shape) == (0, (0, 4))


def test_compresses_uncompressed_counts():
    assert list(RunLengths.from_rles([{"size": [2, 3], "counts": [1, 2, 3]}])) == [{"size": [2, 3], "counts": b"123"}]


def test_pickle_has_no_object_per_mask(masks):
    packed = RunLengths.from_rles(masks * 50)
    assert len(pickle.dumps(packed)) < len(packed.text) + 16 * len(packed) + 1000
    assert list(pickle.loads(pickle.dumps(packed))) == list(packed)


@pytest.mark.parametrize(
    ("size", "counts", "message"),
    [
        ([2, 2], "13ø", "mask 20 has counts that are not run lengths"),
        ([2, 2], "1P", "mask 20 has counts that are not run lengths"),
        ([2, 3], "13", r"mask 20 has counts of 4 pixels for size \[2, 3\]"),
    ],
)
def test_rejects_invalid_counts(masks, monkeypatch, size, counts, message):
    monkeypatch.setattr("detectory.evaluation.run_lengths._CHUNK", 7)
    with pytest.raises(InvalidMaskError, match=message):
        RunLengths.from_rles([*masks, {"size": size, "counts": counts}]).check()
