"""Matching compared with a loop implementation of COCO's rule, box overlaps with pycocotools."""

import numpy as np
import pycocotools.mask as coco
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import coco_match, grouped_box_iou

THRESHOLDS = torch.tensor([0.5, 0.75, 0.95, 1.0], dtype=torch.float64)


def slow_match(ious, threshold, outside, ignore, crowd):
    """Match one group at one threshold in one area range, in order of score."""
    order = sorted(range(len(ignore)), key=lambda g: ignore[g])
    dt_match, gt_match, dt_ignore = [-1] * len(outside), [-1] * len(ignore), list(outside)
    for d, row in enumerate(ious):
        best, match = min(threshold, 1 - 1e-10), -1
        for g in order:
            free = gt_match[g] < 0 or crowd[g]
            worse = match >= 0 and not ignore[match] and ignore[g]
            if free and not worse and row[g] >= best:
                best, match = row[g], g
        if match >= 0:
            dt_match[d], gt_match[match], dt_ignore[d] = match, d, ignore[match]
    return dt_match, dt_ignore, gt_match


@st.composite
def datasets(draw):
    """Return groups of a few detections and ground truths; overlaps are quantised, so that ties are frequent."""
    seed = np.random.default_rng(draw(st.integers(0, 2**20)))
    groups = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=4))
    dts, gts = [sum(g[0] for g in groups), sum(g[1] for g in groups)]
    blocks = [np.round(seed.random(group) * 10) / 10 for group in groups]
    flags = [torch.from_numpy(seed.random(shape) < 0.3) for shape in ((3, dts), (3, gts), (gts,))]
    return blocks, *flags


def cuts(counts):
    return torch.tensor([0, *np.cumsum(counts, dtype=np.int64)], dtype=torch.int64)


def match_all(blocks, outside, ignore, crowd):
    ious = torch.from_numpy(np.concatenate([np.empty(0), *(block.ravel() for block in blocks)]))
    dt_groups, gt_groups = cuts([len(block) for block in blocks]), cuts([block.shape[1] for block in blocks])
    return dt_groups, gt_groups, coco_match(ious, THRESHOLDS, dt_groups, gt_groups, outside, ignore, crowd)


@settings(max_examples=150, deadline=None)
@given(datasets(), st.integers(0, 2), st.integers(0, 3))
def test_agrees_with_a_loop_implementation(data, area, level):
    blocks, outside, ignore, crowd = data
    dt_groups, gt_groups, result = match_all(*data)
    for index, block in enumerate(blocks):
        d, g = slice(*dt_groups[index : index + 2]), slice(*gt_groups[index : index + 2])
        flags = (value.tolist() for value in (outside[area, d], ignore[area, g], crowd[g]))
        dt_match, dt_ignore, gt_match = slow_match(block.tolist(), float(THRESHOLDS[level]), *flags)
        shifted = [-1 if m < 0 else m + g.start for m in dt_match], [-1 if m < 0 else m + d.start for m in gt_match]
        assert result[0][area, level, d].tolist() == shifted[0]
        assert result[1][area, level, d].tolist() == dt_ignore
        assert result[2][area, level, g].tolist() == shifted[1]


def test_results_do_not_depend_on_the_number_of_threads():
    blocks = [np.random.rand(4, 3) for _ in range(300)]
    flags = torch.rand(2, 1200) < 0.2, torch.rand(2, 900) < 0.2, torch.rand(900) < 0.1
    threads, (_, _, expected) = torch.get_num_threads(), match_all(blocks, *flags)
    torch.set_num_threads(1)
    _, _, result = match_all(blocks, *flags)
    torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))


def test_nan_overlaps_do_not_match():
    no = torch.zeros(1, 1, dtype=torch.bool)
    _, _, result = match_all([np.array([[np.nan]])], no, no, no[0])
    assert (result[0] == -1).all()


def random_boxes(count, generator):
    return generator.random((count, 4)) * 50


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 8), st.integers(1, 8), st.integers(0, 2**20))
def test_box_overlaps_equal_pycocotools(dts, gts, seed):
    draw = np.random.default_rng(seed)
    dt, gt, crowd = random_boxes(dts, draw), random_boxes(gts, draw), draw.random(gts) < 0.3
    result = grouped_box_iou(
        torch.from_numpy(dt), torch.from_numpy(gt), torch.from_numpy(crowd), cuts([dts]), cuts([gts])
    )
    expected = coco.iou(dt, gt, crowd.astype(np.uint8)) if dts else np.empty(0)
    assert result.tolist() == np.asarray(expected).ravel().tolist()


def test_box_overlaps_of_groups_are_concatenated():
    boxes = torch.rand(7, 4) * 20
    result = grouped_box_iou(boxes, boxes, None, cuts([2, 0, 5]), cuts([3, 1, 3]))
    first = grouped_box_iou(boxes[:2], boxes[:3], None, cuts([2]), cuts([3]))
    last = grouped_box_iou(boxes[2:], boxes[4:], None, cuts([5]), cuts([3]))
    assert torch.equal(result, torch.cat([first, last]))


def test_rejects_a_wrong_number_of_overlaps():
    no = torch.zeros(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="coco_match: ious must have 4 entries, one per pair in a group, got 3"):
        coco_match(torch.zeros(3), THRESHOLDS, cuts([2]), cuts([2]), no, no, no[0])


def test_rejects_a_wrong_number_of_crowd_flags():
    no = torch.zeros(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"must agree in A and M, got \(1, 2\), \(1, 2\) and \(1,\)"):
        coco_match(torch.zeros(4), THRESHOLDS, cuts([2]), cuts([2]), no, no, no[0, :1])


def test_rejects_groups_that_do_not_cover_the_list():
    boxes = torch.rand(3, 4)
    with pytest.raises(ValueError, match="grouped_box_iou: gt_groups must increase from 0 to 3"):
        grouped_box_iou(boxes, boxes, None, cuts([3]), cuts([2]))
