"""Members and argument forms of Detectron2's classes that programs use beyond the documented interface."""

import time

import numpy as np
import pytest
import torch

from detectory.compat.detectron2.checkpoint.catalog import ModelCatalog
from detectory.compat.detectron2.config import CfgNode, configurable, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.data import detection_utils as utils
from detectory.compat.detectron2.data import transforms as T
from detectory.compat.detectron2.engine import SimpleTrainer, hooks
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.meta_arch.fcos import FCOSHead
from detectory.compat.detectron2.structures import Boxes, BoxMode, Instances
from detectory.compat.detectron2.tracking import BaseTracker, BBoxIOUTracker, build_tracker_head
from detectory.compat.detectron2.tracking.base_tracker import TRACKER_HEADS_REGISTRY
from detectory.compat.detectron2.tracking.utils import LARGE_COST_VALUE
from detectory.compat.detectron2.utils.video_visualizer import ColorMode, VideoVisualizer, _DetectedInstance


def tracker_config(name):
    cfg = CfgNode()
    cfg.TRACKER_HEADS = CfgNode({"TRACKER_NAME": name, "VIDEO_HEIGHT": 90, "VIDEO_WIDTH": 120})
    return cfg


def test_a_tracker_of_a_program_is_built_from_a_config():
    @TRACKER_HEADS_REGISTRY.register()
    class HeightTracker(BaseTracker):
        @configurable
        def __init__(self, height):
            super().__init__()
            self.height = height

        @classmethod
        def from_config(cls, cfg):
            return {"height": cfg.TRACKER_HEADS.VIDEO_HEIGHT}

        def update(self, predictions):
            return predictions

    tracker = build_tracker_head(tracker_config("HeightTracker"))
    assert tracker.height == 90
    assert (tracker._matched_ID, tracker._untracked_prev_idx) == (set(), set())


def test_built_in_trackers_are_trackers_of_the_base_class():
    assert isinstance(build_tracker_head(tracker_config("BBoxIOUTracker")), BaseTracker)
    assert issubclass(BBoxIOUTracker, BaseTracker)
    assert LARGE_COST_VALUE == 100000
    with pytest.raises(NotImplementedError, match="cannot be built from a config"):
        BaseTracker.from_config(CfgNode())


def test_the_head_of_fcos_is_built_from_a_config():
    cfg = get_cfg()
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8]]
    cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[1.0]]
    cfg.MODEL.RETINANET.NUM_CLASSES, cfg.MODEL.RETINANET.NUM_CONVS = 3, 1
    head = FCOSHead(cfg, [ShapeSpec(channels=4, stride=8)])
    logits, deltas, centerness = head([torch.zeros(1, 4, 5, 6)])
    assert [x[0].shape for x in (logits, deltas, centerness)] == [(1, 3, 5, 6), (1, 4, 5, 6), (1, 1, 5, 6)]


@pytest.mark.parametrize(
    ("method", "name", "end"),
    [
        ("_get_c2_imagenet_pretrained", "ImageNetPretrained/MSRA/R-50", "ImageNetPretrained/MSRA/R-50.pkl"),
        ("_get_c2_detectron_baseline", "Caffe2Detectron/COCO/35857197/e2e_faster_rcnn_R-50-C4_1x", "model_final.pkl"),
    ],
)
def test_the_model_catalog_has_a_method_per_family(method, name, end):
    url = getattr(ModelCatalog, method)(name)
    assert url == ModelCatalog.get(name)
    assert url.startswith(ModelCatalog.S3_C2_DETECTRON_PREFIX)
    assert url.endswith(end)
    if "COCO" in name:
        assert ModelCatalog.C2_DATASET_COCO in url


def test_the_video_visualizer_shows_what_it_remembers():
    visualizer = VideoVisualizer(MetadataCatalog.get("__nothing__"), ColorMode.IMAGE)
    instance = _DetectedInstance(label=2, bbox=np.array([1.0, 2, 30, 40]), mask_rle=None, color=None, ttl=8)
    (color,) = visualizer._assign_colors([instance])
    assert np.array_equal(instance.color, color)
    (known,) = visualizer._old_instances
    assert (known.label, known.bbox.tolist(), known.ttl) == (2, [1, 2, 30, 40], 8)
    assert visualizer._instance_mode == ColorMode.IMAGE


def test_annotations_are_transformed_by_a_single_transform():
    annotation = {"bbox": [5.0, 6, 15, 26], "bbox_mode": BoxMode.XYXY_ABS, "segmentation": [[5.0, 6, 15, 6, 15, 26]]}
    flipped = utils.transform_instance_annotations(annotation, T.HFlipTransform(100), (50, 100))
    assert flipped["bbox"].tolist() == [85, 6, 95, 26]
    assert flipped["segmentation"][0].tolist() == [95, 6, 85, 6, 85, 26]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, data):
        time.sleep(0.01)
        return {"loss": self.weight.sum() * data}


def test_the_timers_of_the_iteration_timer_leave_out_the_warm_up():
    model, timer = Model(), hooks.IterationTimer(warmup_iter=3)
    trainer = SimpleTrainer(model, [1.0] * 6, torch.optim.SGD(model.parameters(), 0.1))
    trainer.register_hooks([timer])
    start = time.perf_counter()
    trainer.train(0, 6)
    total = time.perf_counter() - start
    assert timer._step_timer.seconds() >= 0.01
    assert 0.04 <= timer._total_timer.seconds() <= total - 0.02
    assert timer._start_time >= start
    assert len(trainer.storage.history("time").values()) == 4


def test_a_tracker_continues_tracks_between_frames():
    tracker = BBoxIOUTracker(
        video_height=100,
        video_width=100,
        max_num_instances=5,
        max_lost_frame_count=1,
        min_box_rel_dim=0.02,
        min_instance_period=1,
        track_iou_threshold=0.5,
    )
    for shift in (0, 1):
        frame = Instances((100, 100))
        frame.pred_boxes = Boxes(torch.tensor([[10.0, 10, 30, 30], [60, 60, 80, 80]]) + shift)
        frame.pred_classes, frame.scores = torch.zeros(2, dtype=torch.int64), torch.ones(2)
        frame.pred_masks = torch.ones(2, 100, 100, dtype=torch.bool)
        tracked = tracker.update(frame)
    assert (list(tracked.ID), list(tracked.ID_period), list(tracked.lost_frame_count)) == ([0, 1], [2, 2], [0, 0])
