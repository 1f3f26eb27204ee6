"""Trackers give the same object the same number from frame to frame."""

import builtins

import numpy as np
import pytest
import torch

from detectory.engine.tracking import (
    LARGE_COST_VALUE,
    BaseHungarianTracker,
    BaseTracker,
    BBoxIOUTracker,
    IOUWeightedHungarianBBoxIOUTracker,
    VanillaHungarianBBoxIOUTracker,
    create_prediction_pairs,
)
from detectory.structures import Boxes, Instances, pairwise_iou

TRACKERS = [BBoxIOUTracker, VanillaHungarianBBoxIOUTracker, IOUWeightedHungarianBBoxIOUTracker]
SIZE = (100, 200)
LEFT, RIGHT = (10.0, 10.0, 40.0, 40.0), (100.0, 10.0, 140.0, 60.0)


@pytest.fixture(params=TRACKERS, ids=lambda kind: kind.__name__)
def tracker(request):
    return lambda **settings: request.param(video_height=SIZE[0], video_width=SIZE[1], **settings)


def frame(*boxes):
    tensor = torch.tensor(boxes).reshape(-1, 4)
    masks = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
    scores = torch.linspace(0.9, 0.5, len(boxes))
    return Instances(SIZE, pred_boxes=Boxes(tensor), pred_masks=masks, scores=scores)


def moved(box, dx):
    return (box[0] + dx, box[1], box[2] + dx, box[3])


def test_objects_keep_their_numbers_when_their_order_changes(tracker):
    tracker = tracker()
    assert tracker.update(frame(LEFT, RIGHT)).ID == [0, 1]
    second = tracker.update(frame(moved(RIGHT, 2), moved(LEFT, -2)))
    assert second.ID == [1, 0]
    assert second.ID_period == [2, 2]
    assert second.lost_frame_count == [0, 0]


def test_new_objects_get_new_numbers_that_are_never_given_twice(tracker):
    tracker = tracker()
    tracker.update(frame(LEFT))
    assert tracker.update(frame(RIGHT)).ID == [1]
    assert tracker.update(frame(LEFT)).ID == [2]


def test_boxes_that_overlap_too_little_are_different_objects(tracker):
    tracker = tracker(track_iou_threshold=0.5)
    tracker.update(frame(LEFT))
    assert tracker.update(frame(moved(LEFT, 15))).ID == [1]


def test_lost_objects_are_remembered_for_a_while(tracker):
    tracker = tracker(max_lost_frame_count=2, min_instance_period=1)
    for _ in range(2):
        tracker.update(frame(LEFT, RIGHT))
    lost = [tracker.update(frame(RIGHT)) for _ in range(3)]
    assert [one.ID for one in lost] == [[1, 0], [1, 0], [1]]
    assert [one.lost_frame_count for one in lost] == [[0, 1], [0, 2], [0]]
    assert tracker.update(frame(RIGHT, LEFT)).ID == [1, 2]


def test_lost_object_that_comes_back_keeps_its_number(tracker):
    tracker = tracker(max_lost_frame_count=2, min_instance_period=0)
    tracker.update(frame(LEFT, RIGHT))
    tracker.update(frame(RIGHT))
    back = tracker.update(frame(moved(LEFT, 1), RIGHT))
    assert back.ID == [0, 1]
    assert back.lost_frame_count == [0, 0]


def test_objects_seen_too_briefly_are_forgotten(tracker):
    tracker = tracker(max_lost_frame_count=5, min_instance_period=1)
    tracker.update(frame(LEFT, RIGHT))
    assert tracker.update(frame(RIGHT)).ID == [1]


def test_small_boxes_are_forgotten(tracker):
    thin = (0.0, 10.0, 15.0, 90.0)
    tracker = tracker(max_lost_frame_count=5, min_instance_period=0, min_box_rel_dim=0.1)
    tracker.update(frame(thin, LEFT))
    assert tracker.update(frame()).ID == [1]


def test_no_more_objects_are_remembered_than_wanted(tracker):
    tracker = tracker(max_lost_frame_count=5, min_instance_period=0, max_num_instances=2)
    tracker.update(frame(LEFT, RIGHT, (150.0, 50.0, 190.0, 90.0)))
    assert tracker.update(frame(RIGHT)).ID == [1, 0]


def test_changing_a_result_does_not_change_the_memory(tracker):
    tracker = tracker()
    first = tracker.update(frame(LEFT))
    first.ID[0] = 77
    first.pred_boxes.tensor.zero_()
    assert tracker.update(frame(LEFT)).ID == [0]


@pytest.mark.parametrize("kind", [BBoxIOUTracker, IOUWeightedHungarianBBoxIOUTracker])
def test_crowded_objects_are_told_apart_by_how_much_they_overlap(kind):
    generator, tracker = np.random.default_rng(0), kind(*SIZE)
    corners = generator.uniform(0, 60, (12, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(15, 40, (12, 2))], axis=1)
    tracker.update(frame(*boxes.tolist()))
    for _ in range(5):
        order = generator.permutation(12)
        jitter = boxes + generator.uniform(-0.3, 0.3, boxes.shape)
        assert order.tolist() == tracker.update(frame(*jitter[order].tolist())).ID


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [(BBoxIOUTracker, [0, 2]), (IOUWeightedHungarianBBoxIOUTracker, [1, 0])],
    ids=["best first", "most in all"],
)
def test_competing_pairs_are_solved_greedily_or_together(kind, numbers):
    tracker = kind(*SIZE, track_iou_threshold=0.2)
    tracker.update(frame((0.0, 0.0, 20.0, 20.0), (9.0, 0.0, 29.0, 20.0)))
    # The first box lies between both, a little nearer to the one that is the second's only chance.
    assert numbers == tracker.update(frame((4.0, 0.0, 24.0, 20.0), (-8.0, 0.0, 12.0, 20.0))).ID


def test_pairs_are_described():
    before, now = frame(LEFT, RIGHT), frame(RIGHT)
    before.ID, before.ID_period = [5, 6], [1, 4]
    overlaps = pairwise_iou(now.pred_boxes, before.pred_boxes)
    pair = {"idx": 0, "prev_idx": 1, "prev_id": 6, "IoU": 1.0, "prev_period": 4}
    assert create_prediction_pairs(now, before, overlaps) == [pair]
    with pytest.raises(ValueError, match=r"iou_all must have shape \(1, 2\), got \(2, 1\)"):
        create_prediction_pairs(now, before, overlaps.T)


def test_a_cost_matrix_of_ones_own_makes_a_tracker():
    class ByOrder(BaseHungarianTracker):
        def build_cost_matrix(self, instances, prev_instances):
            return np.where(np.eye(len(instances), len(prev_instances)), 0.0, LARGE_COST_VALUE)

    tracker = ByOrder(*SIZE)
    tracker.update(frame(LEFT, RIGHT))
    assert tracker.update(frame(RIGHT, LEFT, LEFT)).ID == [0, 1, 2]


def test_hungarian_trackers_reject_keypoints():
    points = frame(LEFT)
    points.pred_keypoints = torch.zeros(1, 17, 3)
    with pytest.raises(ValueError, match="pred_keypoints cannot be tracked"):
        VanillaHungarianBBoxIOUTracker(*SIZE).update(points)


def test_trackers_reject_unknown_arguments_and_sizes():
    with pytest.raises(TypeError, match="abstract"):
        BaseTracker()
    with pytest.raises(ValueError, match="must be positive"):
        BBoxIOUTracker(0, 10)


def test_missing_scipy_is_named_with_the_command_that_brings_it(monkeypatch):
    real = builtins.__import__

    def without_scipy(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    tracker = VanillaHungarianBBoxIOUTracker(*SIZE)
    tracker.update(frame(LEFT))
    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ImportError, match=r"detectory-engine\[tracking\]"):
        tracker.update(frame(LEFT))
