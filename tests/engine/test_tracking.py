"""Trackers keep object ids from frame to frame."""

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


@pytest.fixture(params=TRACKERS, ids=lambda tracker: tracker.__name__)
def tracker(request):
    return lambda **settings: request.param(video_height=SIZE[0], video_width=SIZE[1], **settings)


def frame(*boxes):
    tensor = torch.tensor(boxes).reshape(-1, 4)
    masks = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
    scores = torch.linspace(0.9, 0.5, len(boxes))
    return Instances(SIZE, pred_boxes=Boxes(tensor), pred_masks=masks, scores=scores)


def moved(box, dx):
    return (box[0] + dx, box[1], box[2] + dx, box[3])


def test_objects_keep_their_ids_when_reordered(tracker):
    tracker = tracker()
    assert tracker.update(frame(LEFT, RIGHT)).ID == [0, 1]
    second = tracker.update(frame(moved(RIGHT, 2), moved(LEFT, -2)))
    assert second.ID == [1, 0]
    assert second.ID_period == [2, 2]
    assert second.lost_frame_count == [0, 0]


def test_new_objects_get_unique_ids(tracker):
    tracker = tracker()
    tracker.update(frame(LEFT))
    assert tracker.update(frame(RIGHT)).ID == [1]
    assert tracker.update(frame(LEFT)).ID == [2]


def test_boxes_with_low_iou_are_different_objects(tracker):
    tracker = tracker(track_iou_threshold=0.5)
    tracker.update(frame(LEFT))
    assert tracker.update(frame(moved(LEFT, 15))).ID == [1]


def test_remembers_lost_objects_for_some_frames(tracker):
    tracker = tracker(max_lost_frame_count=2, min_instance_period=1)
    for _ in range(2):
        tracker.update(frame(LEFT, RIGHT))
    lost = [tracker.update(frame(RIGHT)) for _ in range(3)]
    assert [one.ID for one in lost] == [[1, 0], [1, 0], [1]]
    assert [one.lost_frame_count for one in lost] == [[0, 1], [0, 2], [0]]
    assert tracker.update(frame(RIGHT, LEFT)).ID == [1, 2]


def test_a_lost_object_that_reappears_keeps_its_id(tracker):
    tracker = tracker(max_lost_frame_count=2, min_instance_period=0)
    tracker.update(frame(LEFT, RIGHT))
    tracker.update(frame(RIGHT))
    back = tracker.update(frame(moved(LEFT, 1), RIGHT))
    assert back.ID == [0, 1]
    assert back.lost_frame_count == [0, 0]


def test_forgets_objects_detected_in_too_few_frames(tracker):
    tracker = tracker(max_lost_frame_count=5, min_instance_period=1)
    tracker.update(frame(LEFT, RIGHT))
    assert tracker.update(frame(RIGHT)).ID == [1]


def test_forgets_small_boxes(tracker):
    thin = (0.0, 10.0, 15.0, 90.0)
    tracker = tracker(max_lost_frame_count=5, min_instance_period=0, min_box_rel_dim=0.1)
    tracker.update(frame(thin, LEFT))
    assert tracker.update(frame()).ID == [1]


def test_limits_the_number_of_remembered_objects(tracker):
    tracker = tracker(max_lost_frame_count=5, min_instance_period=0, max_num_instances=2)
    tracker.update(frame(LEFT, RIGHT, (150.0, 50.0, 190.0, 90.0)))
    assert tracker.update(frame(RIGHT)).ID == [1, 0]


def test_modifying_a_result_does_not_affect_the_tracker(tracker):
    tracker = tracker()
    first = tracker.update(frame(LEFT))
    first.ID[0] = 77
    first.pred_boxes.tensor.zero_()
    assert tracker.update(frame(LEFT)).ID == [0]


@pytest.mark.parametrize("tracker_class", [BBoxIOUTracker, IOUWeightedHungarianBBoxIOUTracker])
def test_distinguishes_crowded_objects_by_iou(tracker_class):
    generator, tracker = np.random.default_rng(0), tracker_class(*SIZE)
    corners = generator.uniform(0, 60, (12, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(15, 40, (12, 2))], axis=1)
    tracker.update(frame(*boxes.tolist()))
    for _ in range(5):
        order = generator.permutation(12)
        jitter = boxes + generator.uniform(-0.3, 0.3, boxes.shape)
        assert order.tolist() == tracker.update(frame(*jitter[order].tolist())).ID


@pytest.mark.parametrize(
    ("tracker_class", "ids"),
    [(BBoxIOUTracker, [0, 2]), (IOUWeightedHungarianBBoxIOUTracker, [1, 0])],
    ids=["best first", "maximum total"],
)
def test_solves_competing_pairs_greedily_or_optimally(tracker_class, ids):
    tracker = tracker_class(*SIZE, track_iou_threshold=0.2)
    tracker.update(frame((0.0, 0.0, 20.0, 20.0), (9.0, 0.0, 29.0, 20.0)))
    # The first box overlaps both, slightly more the one that is the only match of the second.
    assert ids == tracker.update(frame((4.0, 0.0, 24.0, 20.0), (-8.0, 0.0, 12.0, 20.0))).ID


def test_create_prediction_pairs_returns_overlapping_pairs():
    before, now = frame(LEFT, RIGHT), frame(RIGHT)
    before.ID, before.ID_period = [5, 6], [1, 4]
    overlaps = pairwise_iou(now.pred_boxes, before.pred_boxes)
    pair = {"idx": 0, "prev_idx": 1, "prev_id": 6, "IoU": 1.0, "prev_period": 4}
    assert create_prediction_pairs(now, before, overlaps) == [pair]
    with pytest.raises(ValueError, match=r"iou_all must have shape \(1, 2\), got \(2, 1\)"):
        create_prediction_pairs(now, before, overlaps.T)


def test_a_subclass_can_define_the_cost_matrix():
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


def test_a_missing_scipy_is_reported_with_the_install_command(monkeypatch):
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
