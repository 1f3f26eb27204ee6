"""Habits of Detectron2 programs that its documentation does not mention."""

import numpy as np
import pytest
import torch
from tests.engine.hooks.idle_trainer import run

from detectory.compat.detectron2.config import configurable, get_cfg
from detectory.compat.detectron2.data import (
    DatasetCatalog,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    detection_utils,
    get_detection_dataset_dicts,
)
from detectory.compat.detectron2.data import transforms as T
from detectory.compat.detectron2.data.transforms.augmentation import _get_aug_input_args
from detectory.compat.detectron2.engine.hooks import IterationTimer
from detectory.compat.detectron2.evaluation import SemSegEvaluator
from detectory.compat.detectron2.export.torchscript_patch import patch_instances
from detectory.compat.detectron2.layers import FrozenBatchNorm2d, batched_nms
from detectory.compat.detectron2.modeling.anchor_generator import BufferList, DefaultAnchorGenerator
from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.proposal_generator import StandardRPNHead
from detectory.compat.detectron2.modeling.roi_heads import FastRCNNOutputLayers
from detectory.compat.detectron2.solver.build import (
    _create_gradient_clipper,
    _generate_optimizer_class_with_gradient_clipping,
    reduce_param_groups,
)
from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.utils.events import TensorboardXWriter, get_event_storage
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.detectron2.utils.logger import setup_logger

IMAGE = np.zeros((8, 10, 3), np.uint8)


class OtherName(T.Augmentation):
    def get_transform(self, img):
        return T.HFlipTransform(img.shape[1])


class ForeignFlip:
    """A transform of another library with fvcore's methods."""

    def apply_image(self, image):
        return image[:, ::-1]

    def apply_coords(self, coords):
        return coords

    def apply_segmentation(self, segmentation):
        return segmentation[:, ::-1]

    def apply_box(self, boxes):
        return boxes


def test_a_single_parameter_is_the_image_under_any_name():
    aug_input = T.AugInput(IMAGE)
    assert _get_aug_input_args(OtherName(), aug_input)[0] is aug_input.image
    assert isinstance(OtherName()(aug_input), T.HFlipTransform)


def test_augmentation_lists_accept_functions_and_foreign_transforms():
    augmentations = T.AugmentationList([lambda image: T.HFlipTransform(image.shape[1]), ForeignFlip()])
    aug_input = T.AugInput(np.arange(240, dtype=np.uint8).reshape(8, 10, 3))
    transforms = augmentations(aug_input)
    assert aug_input.image[0, 0, 0] == 0
    assert len(transforms) == 2


def test_polygons_may_be_an_array():
    moved = T.HFlipTransform(10).apply_polygons(np.array([[[0.0, 0], [1, 1], [2, 0]]]))
    assert moved[0].tolist() == [[10, 0], [9, 1], [8, 0]]


def test_config_nodes_of_other_libraries_are_configs():
    class CfgNode(dict):
        def __getattr__(self, name):
            return self[name]

    class Head:
        @configurable
        def __init__(self, size):
            self.size = size

        @classmethod
        def from_config(cls, cfg):
            return {"size": cfg.SIZE}

    assert Head(CfgNode(SIZE=3)).size == 3


def test_nms_thresholds_above_one_keep_all_boxes():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1]])
    assert len(batched_nms(boxes, torch.tensor([0.5, 0.4]), torch.zeros(2, dtype=torch.int64), 1.0001)) == 2


def test_param_groups_with_other_keys_are_merged():
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    groups = [{"params": [a], "lr": 1.0, "param_names": ["a"], "betas": [0.9, 0.99]}]
    groups += [{"params": [b], "lr": 1.0, "param_names": ["b"], "betas": [0.9, 0.99]}]
    assert reduce_param_groups(groups) == [{"params": [a, b], "lr": 1.0, "betas": [0.9, 0.99]}]


def test_poolers_accept_no_images():
    pooler = ROIPooler(7, (1 / 4,), 0, "ROIAlignV2")
    assert pooler([torch.zeros(0, 5, 8, 8)], []).shape == (0, 5, 7, 7)


def test_yuv_images_become_floating_point():
    assert detection_utils.convert_image_to_rgb(np.ones((2, 2, 3), np.float32), "YUV-BT.601").dtype.kind == "f"


def test_scripted_instances_return_their_tensors():
    with patch_instances({"pred_boxes": Boxes, "scores": torch.Tensor}) as scriptable:
        instances = Instances((4, 4), pred_boxes=Boxes([[0, 0, 1, 1]]), scores=torch.ones(1))
        fields = scriptable.from_instances(instances).get_fields()
    assert {name: value.shape for name, value in fields.items()} == {"pred_boxes": (1, 4), "scores": (1,)}


def test_log_files_survive_the_removal_of_their_folder(tmp_path):
    logger = setup_logger(str(tmp_path / "logs" / "log.txt"), name="removed_folder")
    (tmp_path / "logs" / "log.txt").unlink()
    (tmp_path / "logs").rmdir()
    logger.info("still alive")


@pytest.mark.parametrize("version", ["v1", "v0_5"])
def test_lvis_categories_are_complete(version):
    import importlib

    module = importlib.import_module(f"detectory.compat.detectron2.data.datasets.lvis_{version}_categories")
    assert len(module.LVIS_CATEGORIES) == {"v1": 1203, "v0_5": 1230}[version]


@pytest.mark.parametrize("method", ["exists", "isfile", "isdir"])
def test_path_manager_accepts_path_objects(tmp_path, method):
    (tmp_path / "file").touch()
    assert getattr(PathManager, method)(tmp_path / "file") is (method != "isdir")


def test_box_layers_for_replaced_classifiers_accept_minus_one_class():
    transform = Box2BoxTransform((1.0, 1, 1, 1))
    layers = FastRCNNOutputLayers(8, box2box_transform=transform, num_classes=-1, cls_agnostic_bbox_reg=True)
    assert layers.cls_score.out_features == 0
    with pytest.raises(ValueError, match="num_classes must be positive, got -2"):
        FastRCNNOutputLayers(8, box2box_transform=transform, num_classes=-2, cls_agnostic_bbox_reg=True)


def test_rpn_heads_build_their_convolutions_with_an_overridable_method():
    class Head(StandardRPNHead):
        def _get_rpn_conv(self, in_channels, out_channels):
            return torch.nn.Conv2d(in_channels, out_channels, 1)

    assert Head(in_channels=4, num_anchors=3).conv.kernel_size == (1, 1)


def test_missing_event_storage_is_an_assertion_error():
    with pytest.raises(AssertionError, match="no EventStorage is open"):
        get_event_storage()


def test_tensorboard_writers_work_without_an_open_storage(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    writer = TensorboardXWriter(str(tmp_path))
    writer._writer.add_scalar("loss", 1.0, 0)
    writer.close()
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_iteration_timers_start_with_the_last_iteration_of_the_warm_up():
    trainer = run([IterationTimer(warmup_iter=3)], 50)
    assert len(trainer.storage.history("time").values()) == 48


def test_anchor_generators_calculate_their_anchors_in_an_overridable_method():
    class Shifted(DefaultAnchorGenerator):
        def _calculate_anchors(self, sizes, aspect_ratios):
            return BufferList([cell + 1 for cell in super()._calculate_anchors(sizes, aspect_ratios)])

    assert Shifted(sizes=[[2]], aspect_ratios=[[1.0]], strides=[4]).cell_anchors[0].tolist() == [[0, 0, 2, 2]]


def test_gradient_clippers_clip_one_parameter_or_all_together():
    cfg = get_cfg().SOLVER.CLIP_GRADIENTS
    cfg.CLIP_TYPE, cfg.CLIP_VALUE = "norm", 5.0
    clipper = _create_gradient_clipper(cfg)
    for arguments, expected in (({"per_param_clipper": clipper}, [5, 5]), ({"global_clipper": clipper}, [3, 4])):
        parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
        for parameter, gradient in zip(parameters, (6.0, 8.0), strict=True):
            parameter.grad = torch.tensor([gradient])
        clipping = _generate_optimizer_class_with_gradient_clipping(torch.optim.SGD, **arguments)
        clipping(parameters, lr=1.0).step()
        assert torch.cat([-parameter.data for parameter in parameters]).tolist() == pytest.approx(expected)
    with pytest.raises(AssertionError, match="must not both be set"):
        _generate_optimizer_class_with_gradient_clipping(
            torch.optim.SGD, per_param_clipper=clipper, global_clipper=clipper
        )


def test_loaders_of_finite_samplers_have_a_length():
    def loader(sampler):
        return build_detection_train_loader(
            dataset=list(range(5)), mapper=int, sampler=sampler, total_batch_size=2, aspect_ratio_grouping=False
        )

    finite = loader(torch.utils.data.SequentialSampler(range(5)))
    assert len(finite) == len(list(finite)) == 2
    with pytest.raises(TypeError, match="has no length"):
        len(loader(None))


def test_deprecated_arguments_of_semantic_segmentation_are_reported(caplog):
    MetadataCatalog.get("deprecated_arguments").set(stuff_classes=["sky", "sea"])
    evaluator = SemSegEvaluator("deprecated_arguments", False, num_classes=2, ignore_label=255)
    assert evaluator._num_classes == 2
    for name in ("num_classes", "ignore_label"):
        assert f"SemSegEvaluator: {name} is deprecated" in caplog.text


def test_output_shapes_of_resizing_can_be_scripted():
    assert torch.jit.script(T.ResizeShortestEdge.get_output_shape)(10, 20, 5, 8) == (4, 8)


def test_iterable_datasets_are_loaded_by_registered_name():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from [{"image": torch.zeros(3, 4, 5), "width": 5, "height": 4}] * 3

    DatasetCatalog.register("stream_of_images", Stream)
    dataset = get_detection_dataset_dicts("stream_of_images", filter_empty=False)
    loader = build_detection_train_loader(dataset=dataset, mapper=dict, total_batch_size=1, num_workers=0)
    assert len(list(loader)) == 3
    assert len(list(get_detection_dataset_dicts(["stream_of_images"] * 2))) == 6
    loader = build_detection_test_loader(get_cfg(), "stream_of_images", mapper=dict, num_workers=0)
    DatasetCatalog.remove("stream_of_images")
    assert len(list(loader)) == 3


def test_frozen_norms_keep_the_batch_counter_of_their_original():
    norm = torch.nn.SyncBatchNorm(3)
    norm.num_batches_tracked += 5
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(torch.nn.Sequential(norm))
    assert list(frozen.state_dict()) == [f"0.{name}" for name in norm.state_dict()]
    frozen.load_state_dict({**frozen.state_dict(), "0.num_batches_tracked": torch.tensor(7)})
    assert frozen[0].num_batches_tracked == 7
    assert "num_batches_tracked" not in FrozenBatchNorm2d(3).state_dict()
