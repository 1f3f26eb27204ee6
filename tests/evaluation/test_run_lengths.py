"""RunLengths: masks as one text are the masks that went in."""

import pickle

import numpy as np
import pytest
from coco_datasets import random_rle
from pycocotools import mask as mask_api

from detectory.evaluation import RunLengths
from detectory.evaluation.run_lengths import MaskFault


@pytest.fixture
def masks():
    rng = np.random.default_rng(0)
    return [random_rle(rng, int(rng.integers(4, 60)), int(rng.integers(4, 60))) for _ in range(20)]


def as_text(masks):
    return [{**mask, "counts": mask["counts"].decode()} for mask in masks]


def test_masks_come_out_as_they_went_in(masks):
    packed = RunLengths.of(masks)
    assert as_text(packed) == masks
    assert as_text([packed[3], packed[-1]]) == [masks[3], masks[-1]]
    assert as_text(packed[2:5]) == masks[2:5]
    with pytest.raises(IndexError):
        packed[20]


def test_joined_and_chosen_masks_keep_their_order(masks):
    packed = RunLengths.concatenate([RunLengths.of(masks[:7]), RunLengths.of(()), RunLengths.of(masks[7:])])
    assert as_text(packed) == masks
    assert as_text(packed.chosen(np.array([5, 0, 5]))) == [masks[5], masks[0], masks[5]]


def test_areas_and_boxes_are_those_of_pycocotools(masks, monkeypatch):
    monkeypatch.setattr("detectory.evaluation.run_lengths._PIECE", 7)
    packed = RunLengths.of(masks)
    packed.check()
    assert packed.areas().tolist() == mask_api.area(masks).tolist()
    assert packed.boxes().tolist() == mask_api.toBbox(masks).tolist()
    assert (len(RunLengths.of(()).areas()), RunLengths.of(()).boxes().shape) == (0, (0, 4))


def test_uncompressed_counts_become_compressed_ones():
    assert list(RunLengths.of([{"size": [2, 3], "counts": [1, 2, 3]}])) == [{"size": [2, 3], "counts": b"123"}]


def test_a_pickle_holds_no_object_for_each_mask(masks):
    many = RunLengths.of(masks * 50)
    assert len(pickle.dumps(many)) < len(many.text) + 16 * len(many) + 1000
    assert list(pickle.loads(pickle.dumps(many))) == list(many)


@pytest.mark.parametrize(
    ("size", "counts", "message"),
    [
        ([2, 2], "13ø", "mask 20 has counts that are no run lengths"),
        ([2, 2], "1P", "mask 20 has counts that are no run lengths"),
        ([2, 3], "13", r"mask 20 has counts of 4 pixels for size \[2, 3\]"),
    ],
)
def test_rejects_counts_that_no_mask_of_that_size_has(masks, monkeypatch, size, counts, message):
    monkeypatch.setattr("detectory.evaluation.run_lengths._PIECE", 7)
    with pytest.raises(MaskFault, match=message):
        RunLengths.of([*masks, {"size": size, "counts": counts}]).check()
