"""Run-length encoding, bit-identical to pycocotools."""

import numpy as np
import pycocotools.mask as coco
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import (
    grouped_rle_iou,
    rle_area,
    rle_decode,
    rle_encode,
    rle_iou,
    rle_merge,
    rle_to_bbox,
)


@st.composite
def mask_stacks(draw, low=1, high=6):
    """Return masks of the same size: noise, blobs, empty and full."""
    count, height, width = draw(st.integers(low, high)), draw(st.integers(1, 150)), draw(st.integers(1, 150))
    seed = np.random.default_rng(draw(st.integers(0, 2**20)))
    shares = seed.choice([0, 0.02, 0.5, 0.98, 1], (count, 1, 1))
    masks = seed.random((count, height, width)) < shares
    if draw(st.booleans()):
        masks[:, : seed.integers(0, height + 1), : seed.integers(0, width + 1)] ^= True
    return masks


def peer_encode(masks):
    return coco.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))


@settings(max_examples=150, deadline=None)
@given(mask_stacks())
def test_encoding_equals_pycocotools_in_both_layouts(masks):
    rows = torch.from_numpy(masks)
    columns = rows.mT.contiguous().mT
    assert rle_encode(rows) == rle_encode(columns) == peer_encode(masks)


@settings(max_examples=100, deadline=None)
@given(mask_stacks())
def test_decoding_returns_the_encoded_pixels(masks):
    assert np.array_equal(rle_decode(peer_encode(masks)).numpy(), masks)


@settings(max_examples=100, deadline=None)
@given(mask_stacks())
def test_areas_and_boxes_equal_pycocotools(masks):
    rles = peer_encode(masks)
    assert rle_area(rles).tolist() == coco.area(rles).tolist()
    assert rle_to_bbox(rles).tolist() == coco.toBbox(rles).tolist()


@settings(max_examples=100, deadline=None)
@given(mask_stacks(), st.booleans())
def test_merging_equals_pycocotools(masks, intersect):
    rles = peer_encode(masks)
    assert rle_merge(rles, intersect) == coco.merge(rles, intersect)


@settings(max_examples=150, deadline=None)
@given(mask_stacks(low=2, high=9), st.integers(1, 8), st.integers(0, 255))
def test_overlaps_equal_pycocotools(masks, split, flags):
    rles = peer_encode(masks)
    dt, gt = rles[: min(split, len(rles) - 1)], rles[min(split, len(rles) - 1) :]
    crowd = [bool(flags >> k & 1) for k in range(len(gt))]
    assert rle_iou(dt, gt, crowd).tolist() == coco.iou(dt, gt, crowd).tolist()


def test_groups_equal_separate_calls():
    rles = rle_encode(torch.rand(9, 20, 30) < 0.5)
    dt, gt = rles[:5], rles[5:]
    result = grouped_rle_iou(dt, gt, None, torch.tensor([0, 2, 2, 5]), torch.tensor([0, 1, 2, 4]))
    first, last = rle_iou(dt[:2], gt[:1]), rle_iou(dt[2:], gt[2:])
    assert torch.equal(result, torch.cat([first.flatten(), last.flatten()]))


def test_overlap_of_masks_of_different_image_sizes_is_minus_one():
    small, large = rle_encode(torch.ones(4, 4)), rle_encode(torch.ones(5, 4))
    assert rle_iou([small], [large]).tolist() == coco.iou([small], [large], [0]).tolist() == [[-1.0]]


def test_overlaps_of_empty_sets_keep_their_shape():
    rles = rle_encode(torch.ones(2, 4, 4))
    assert rle_iou([], rles).shape == (0, 2)
    assert rle_iou(rles, []).shape == (2, 0)


def test_long_runs_survive_the_compressed_string():
    mask = torch.zeros(3000, 4000, dtype=torch.bool)
    mask[2999, 3998:] = True
    rle = rle_encode(mask)
    assert rle == peer_encode(mask.numpy()[None])[0]
    assert torch.equal(rle_decode(rle), mask)


def test_accepts_uncompressed_counts_and_str():
    expected = torch.tensor([[0, 1], [1, 1]], dtype=torch.bool)
    assert torch.equal(rle_decode({"size": [2, 2], "counts": [1, 3]}), expected)
    assert torch.equal(rle_decode({"size": [2, 2], "counts": "13"}), expected)


def test_zero_length_runs_do_not_change_the_mask():
    plain, padded = {"size": [4, 4], "counts": [5, 6, 5]}, {"size": [4, 4], "counts": [2, 0, 3, 6, 0, 0, 5]}
    assert torch.equal(rle_decode(plain), rle_decode(padded))
    assert rle_iou([plain], [padded]).tolist() == [[1.0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float16, torch.bool], ids=str)
def test_non_zero_pixels_are_foreground(dtype):
    values = torch.tensor([[0, 7], [1, 1]]).to(dtype)
    assert rle_encode(values)["counts"] == b"13"


def test_sliced_and_expanded_masks_are_encoded_like_copies():
    masks = torch.rand(4, 40, 50) < 0.5
    for view in (
        masks[::2],
        masks[:, 3:30, 5:41],
        masks[:, ::2, ::3],
        masks.permute(0, 2, 1),
        masks[:1].expand(3, -1, -1),
    ):
        assert rle_encode(view) == rle_encode(view.contiguous())


@pytest.mark.parametrize("shape", [(0, 5, 5), (2, 0, 5), (2, 5, 0), (1, 1, 1)], ids=str)
def test_empty_masks_survive_a_round_trip(shape):
    masks = torch.ones(shape, dtype=torch.bool)
    rles = rle_encode(masks)
    assert len(rles) == shape[0]
    assert rle_decode(rles).sum() == masks.sum()


@pytest.mark.parametrize(
    "counts",
    [b"1\x003", b"1P", b"1oooooooooooo3", "1é", "O"],
    ids=["alphabet", "cut off", "long", "unicode", "negative"],
)
def test_rejects_invalid_strings(counts):
    good = {"size": [2, 2], "counts": b"13"}
    with pytest.raises(ValueError, match=r"rle_area: rles\[1\]\['counts'\] is not a COCO run-length string"):
        rle_area([good, {"size": [2, 2], "counts": counts}])


def test_rejects_counts_with_a_wrong_total():
    with pytest.raises(ValueError, match=r"rle_decode: rles\[0\]\['counts'\] must sum to the pixels of .*, got 5"):
        rle_decode({"size": [2, 2], "counts": [1, 4]})


def test_rejects_masks_of_different_sizes():
    rles = [{"size": [2, 2], "counts": [4]}, {"size": [2, 3], "counts": [6]}]
    with pytest.raises(ValueError, match=r"rles must have the same size, got \[2, 2\] at 0 and \[2, 3\] at 1"):
        rle_decode(rles)
    with pytest.raises(ValueError, match="rle_merge: rles must have the same size"):
        rle_merge(rles)


@pytest.mark.parametrize("rles", [["x"], [{"size": [2, 2]}], [{"size": [2, 2], "counts": 5}]], ids=str)
def test_rejects_invalid_dicts(rles):
    with pytest.raises(TypeError, match=r"rle_area: rles\[0\]"):
        rle_area(rles)


@pytest.mark.parametrize("groups", [[0, 1], [0, 3], [1, 2], [0, 2, 1, 2]], ids=str)
def test_rejects_invalid_groups(groups):
    rles = rle_encode(torch.ones(2, 4, 4))
    with pytest.raises(ValueError, match="rle_iou: dt_groups must increase from 0 to 2"):
        grouped_rle_iou(rles, rles, None, torch.tensor(groups), torch.tensor([0, 2]))


def test_rejects_a_wrong_number_of_crowd_flags():
    rles = rle_encode(torch.ones(2, 4, 4))
    with pytest.raises(ValueError, match="iscrowd must have 2 flags"):
        rle_iou(rles, rles, [True])
