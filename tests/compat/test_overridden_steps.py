"""Steps of dense detectors, anchor generators, augmentations, hooks and drawing that subclasses replace."""

import json

import numpy as np
import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import CfgNode, instantiate
from detectory.compat.detectron2.data import transforms as T
from detectory.compat.detectron2.data.common import _MapIterableDataset, _shard_iterator_dataloader_worker
from detectory.compat.detectron2.engine import hooks
from detectory.compat.detectron2.evaluation.rotated_coco_evaluation import RotatedCOCOeval
from detectory.compat.detectron2.modeling import build_model
from detectory.compat.detectron2.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.compat.detectron2.modeling.meta_arch.fcos import FCOS
from detectory.compat.detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.structures.keypoints import _keypoints_to_heatmap
from detectory.compat.detectron2.utils.events import EventStorage
from detectory.compat.detectron2.utils.visualizer import ColorMode, Visualizer
from detectory.modeling import meta_arch as native


def counting(cls, *names):
    """Return a subclass that counts the calls of methods, and the counts."""
    calls = dict.fromkeys(names, 0)

    def count(name):
        def method(self, *args, **kwargs):
            calls[name] += 1
            return getattr(super(subclass, self), name)(*args, **kwargs)

        return method

    subclass = type(f"Counting{cls.__name__}", (cls,), {name: count(name) for name in names})
    return subclass, calls


def training_batch():
    boxes = Boxes([[8.0, 8, 60, 50], [20, 20, 100, 110]])
    instances = Instances((128, 128), gt_boxes=boxes, gt_classes=torch.tensor([0, 1]))
    empty = Instances((128, 128), gt_boxes=Boxes(torch.zeros(0, 4)), gt_classes=torch.zeros(0, dtype=torch.int64))
    torch.manual_seed(1)
    images = torch.rand(2, 3, 128, 128) * 255
    return [{"image": image, "instances": target} for image, target in zip(images, (instances, empty), strict=True)]


@pytest.fixture(scope="module")
def retinanet():
    cfg = model_zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = "cpu", 18, 64
    cfg.MODEL.RETINANET.NUM_CLASSES, cfg.MODEL.RETINANET.SCORE_THRESH_TEST = 2, 0.0
    torch.manual_seed(0)
    return build_model(cfg)


@pytest.fixture(scope="module")
def fcos():
    config = model_zoo.get_config("COCO-Detection/fcos_R_50_FPN_1x.py").model
    config.num_classes, config.test_score_thresh = 2, 0.0
    torch.manual_seed(0)
    model = instantiate(config)
    assert type(model) is FCOS
    return model


COMMON = ("_transpose_dense_predictions", "_ema_update", "_decode_multi_level_predictions")
STEPS = {
    "retinanet": (RetinaNet, native.RetinaNet, ("label_anchors", "losses", "inference_single_image")),
    "fcos": (FCOS, native.FCOS, ("match_anchors", "_match_anchors", "losses", "inference_single_image")),
}


@pytest.mark.parametrize("name", sorted(STEPS))
def test_dense_detectors_call_overridden_steps_and_return_the_same(name, request):
    model = request.getfixturevalue(name)
    cls, plain, names = STEPS[name]
    counted, calls = counting(cls, *COMMON, "_decode_per_level_predictions", *names)
    results = []
    for one in (plain, counted):
        model.__class__ = one
        model.loss_normalizer = 100.0
        with EventStorage(), torch.no_grad():
            losses = model.train()(training_batch())
            detections = model.eval()(training_batch())
        results.append((losses, model.loss_normalizer, detections))
    model.__class__ = cls
    (losses, mean, detections), (expected_losses, expected_mean, expected) = results
    assert {key: float(value) for key, value in losses.items()} == pytest.approx(
        {key: float(value) for key, value in expected_losses.items()}
    )
    assert mean == pytest.approx(expected_mean)
    for one, other in zip(detections, expected, strict=True):
        assert torch.equal(one["instances"].pred_boxes.tensor, other["instances"].pred_boxes.tensor)
    assert all(calls.values()), calls


def test_dense_detectors_draw_ground_truth_and_detections(retinanet):
    batch = training_batch()
    with EventStorage() as storage, torch.no_grad():
        retinanet.eval().visualize_training(batch, [output["instances"] for output in retinanet(batch)])
    assert storage.images[0][1].shape == (3, 128, 256)


@pytest.mark.parametrize("rotated", [False, True])
def test_anchor_generators_call_overridden_grids(rotated):
    cls = RotatedAnchorGenerator if rotated else DefaultAnchorGenerator
    arguments = {"sizes": [[32.0]], "aspect_ratios": [[1.0]], "strides": [16]} | (
        {"angles": [[0.0]]} if rotated else {}
    )
    counted, calls = counting(cls, "_grid_anchors")
    features = [torch.zeros(1, 1, 3, 4)]
    assert torch.equal(counted(**arguments)(features)[0].tensor, cls(**arguments)(features)[0].tensor)
    assert calls == {"_grid_anchors": 1}


@pytest.mark.parametrize("size", [(30, 90), (90, 30), (90, 90)])
def test_fixed_size_crops_and_resizes_call_their_steps(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    for cls, arguments, names in (
        (T.FixedSizeCrop, ((60, 50),), ("_get_crop", "_get_pad")),
        (T.ResizeScale, (0.5, 2.0, 60, 50), ("_get_resize",)),
    ):
        counted, calls = counting(cls, *names)
        results = []
        for one in (cls.__mro__[1], counted):
            np.random.seed(3)
            results.append(one(*arguments).get_transform(image).apply_image(image))
        assert np.array_equal(*results)
        assert calls == dict.fromkeys(names, 1)


def test_best_checkpointer_calls_overridden_comparison(tmp_path):
    class Trainer:
        iter, start_iter, max_iter = 9, 0, 10
        storage = EventStorage(9)

    class Checkpointer:
        save_dir, save_to_disk, saved = str(tmp_path), False, ()

        def get_checkpoint_file(self):
            return ""

        def save(self, name, **kwargs):
            self.saved = (*self.saved, name)

    counted, calls = counting(hooks.BestCheckpointer, "_update_best", "_compare", "_best_checking")
    hook = counted(1, Checkpointer(), "AP")
    hook.trainer = Trainer()
    for value in (1.0, 2.0):
        hook.trainer.storage.iter += 1
        hook.trainer.storage.put_scalar("AP", value)
        hook.after_train()
    assert hook._checkpointer.saved == ("model_best", "model_best")
    assert calls == {"_update_best": 2, "_compare": 1, "_best_checking": 2}
    assert (hook._val_metric, hook._file_prefix, hook.best_metric) == ("AP", "model_best", 2.0)


def test_event_storage_writes_all_scalars_with_one_method():
    counted, calls = counting(EventStorage, "put_scalar")
    storage = counted()
    storage.put_scalars(a=1, b=2)
    assert calls == {"put_scalar": 2}


def test_rotated_evaluation_has_overridable_conversions():
    assert RotatedCOCOeval.is_rotated([[0, 0, 1, 1, 0]])
    assert not RotatedCOCOeval.is_rotated(np.zeros((2, 4)))
    boxes = RotatedCOCOeval.boxlist_to_tensor([[0.0, 0, 2, 4], [1, 2, 2, 4, 0]], 5)
    assert boxes.tolist() == [[1, 2, 2, 4, 0], [1, 2, 2, 4, 0]]
    with pytest.raises(ValueError, match="4 columns"):
        RotatedCOCOeval.boxlist_to_tensor([[1, 2, 2, 4, 0]], 4)


def test_visualizer_draws_with_overridden_methods():
    names = ("_convert_boxes", "_convert_masks", "_jitter", "draw_polygon")
    counted, calls = counting(Visualizer, *names)
    detections = Instances((20, 20), pred_boxes=Boxes([[2, 2, 18, 18]]), pred_classes=torch.tensor([0]))
    detections.pred_masks = torch.zeros(1, 20, 20, dtype=torch.bool)
    detections.pred_masks[0, 4:9, 4:9] = True
    metadata = type("Metadata", (), {"thing_classes": ["a"], "thing_colors": [[10, 20, 30]]})()
    image = np.zeros((20, 20, 3), np.uint8)
    counted(image, metadata, instance_mode=ColorMode.SEGMENTATION).draw_instance_predictions(detections)
    assert all(calls.values()), calls


def test_configs_open_files_in_an_overridable_method(tmp_path):
    class Node(CfgNode):
        @classmethod
        def _open_cfg(cls, filename):
            return super()._open_cfg(filename.replace("remote", str(tmp_path)))

    (tmp_path / "a.yaml").write_text(json.dumps({"_BASE_": "b.yaml", "x": 1}))
    (tmp_path / "b.yaml").write_text(json.dumps({"y": 2}))
    assert Node.load_yaml_with_base("remote/a.yaml") == {"x": 1, "y": 2}


def test_iterable_datasets_are_mapped_and_sharded():
    assert list(_MapIterableDataset(range(4), lambda x: x or None)) == [1, 2, 3]
    assert list(_shard_iterator_dataloader_worker(range(3))) == [0, 1, 2]


def test_keypoints_become_heatmap_cells():
    keypoints = torch.tensor([[[5.0, 5.0, 2.0], [50.0, 5.0, 2.0]]])
    cells, valid = _keypoints_to_heatmap(keypoints, torch.tensor([[0.0, 0, 10, 10]]), 4)
    assert (cells.tolist(), valid.tolist()) == ([[10, 0]], [[1, 0]])
    assert _keypoints_to_heatmap(keypoints, torch.zeros(0, 4), 4)[0].shape == (0,)
