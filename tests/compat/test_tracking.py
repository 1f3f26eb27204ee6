"""Trackers, test-time augmentation and rotated-box evaluation."""

import numpy as np
import pytest
import torch

from detectory.compat.detectron2.config import CfgNode, get_cfg, instantiate
from detectory.compat.detectron2.evaluation.rotated_coco_evaluation import RotatedCOCOeval
from detectory.compat.detectron2.modeling import DatasetMapperTTA, GeneralizedRCNNWithTTA, build_model
from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.tracking import BaseHungarianTracker, build_tracker_head

NAMES = ("BBoxIOUTracker", "VanillaHungarianBBoxIOUTracker", "IOUWeightedHungarianBBoxIOUTracker")
SETTINGS = {"VIDEO_HEIGHT": 600, "VIDEO_WIDTH": 800, "MAX_LOST_FRAME_COUNT": 3, "TRACK_IOU_THRESHOLD": 0.5}


def frame(*boxes):
    return Instances((600, 800), pred_boxes=Boxes(torch.tensor(boxes)), scores=torch.full((len(boxes),), 0.9))


@pytest.mark.parametrize("name", NAMES)
def test_tracker_built_from_a_config_follows_boxes(name):
    pytest.importorskip("scipy")
    tracker = build_tracker_head(CfgNode({"TRACKER_HEADS": {"TRACKER_NAME": name, **SETTINGS}}))
    assert tracker.update(frame([101.0, 101, 200, 200], [301.0, 301, 450, 450])).ID == [0, 1]
    assert tracker.update(frame([302.0, 303, 451, 452], [101.0, 102, 201, 203])).ID == [1, 0]


def test_tracker_is_built_by_its_dotted_path():
    path = "detectory.compat.detectron2.tracking.bbox_iou_tracker.BBoxIOUTracker"
    tracker = instantiate({"_target_": path, "video_height": 600, "video_width": 800, "max_num_instances": 7})
    assert (tracker._video_height, tracker._max_num_instances) == (600, 7)


def test_hungarian_base_class_requires_build_cost_matrix():
    tracker = BaseHungarianTracker(video_height=600, video_width=800)
    tracker.update(frame([0.0, 0, 9, 9]))
    with pytest.raises(NotImplementedError, match="must define build_cost_matrix"):
        tracker.update(frame([0.0, 0, 9, 9]))


def test_tta_mapper_reads_the_config():
    cfg = get_cfg()
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (48, 64), True
    found = DatasetMapperTTA(cfg)({"image": torch.zeros(3, 48, 64, dtype=torch.uint8), "height": 48, "width": 64})
    assert [tuple(entry["image"].shape) for entry in found] == [(3, 48, 64)] * 2 + [(3, 64, 85)] * 2


def test_tta_model_accepts_the_config_first():
    cfg = get_cfg()
    cfg.MODEL.DEVICE, cfg.TEST.AUG.MIN_SIZES = "meta", (32,)
    with torch.device("meta"):
        model = build_model(cfg)
    augmented = GeneralizedRCNNWithTTA(cfg, model)
    assert augmented.tta_mapper.min_sizes == [32]
    assert augmented.cfg is not cfg


def test_rotated_boxes_are_matched_by_rotated_iou():
    evaluation = RotatedCOCOeval(iouType="bbox")
    truths = [{"bbox": [10, 10, 8, 4, 30], "iscrowd": 0}, {"bbox": [0, 0, 4, 4], "iscrowd": 0}]
    found = [{"bbox": [2, 2, 4, 4, 90], "score": 0.5}, {"bbox": [10, 10, 8, 4, 30], "score": 0.9}]
    evaluation._gts, evaluation._dts = {(1, 1): truths}, {(1, 1): found}
    np.testing.assert_allclose(evaluation.computeIoU(1, 1), np.eye(2), atol=1e-4)
