"""Annotations: checks, flips, the mapper and the config."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import get_cfg
from detectory.data import DatasetCatalog, DatasetError
from detectory.data.transforms import HFlipTransform, RotationTransform, TransformList
from detectory.projects.densepose.data import DensePoseDatasetMapper, annotation_problem, register_densepose
from detectory.projects.densepose.detectron2 import add_densepose_config
from detectory.projects.densepose.detectron2.modeling.losses import DENSEPOSE_LOSS_REGISTRY
from detectory.projects.densepose.structures import DensePoseDataRelative, DensePoseTransformData

POINTS = {"dp_x": [10.0], "dp_y": [20.0], "dp_I": [3.0], "dp_U": [0.25], "dp_V": [0.5]}
MASKS = [{"size": [256, 256], "counts": [0, 256 * 256]}] + [[]] * 13


def symmetries():
    v, u = np.mgrid[0:256, 0:256] / 255.0
    tables = {"U_transforms": np.stack([1 - u] * 24), "V_transforms": np.stack([v] * 24)}
    return DensePoseTransformData({n: torch.from_numpy(t).float() for n, t in tables.items()}, torch.device("cpu"))


def test_flip_mirrors_points_parts_and_coordinates():
    data = DensePoseDataRelative({**POINTS, "dp_masks": [[], MASKS[0]]})
    data.apply_transform(TransformList([HFlipTransform(100)]), symmetries())
    assert data.x.tolist() == [246.0]
    assert data.i.tolist() == [4.0]
    assert data.u.item() == pytest.approx(0.75, abs=0.01)
    assert data.segm.unique().tolist() == [3.0]


def test_rejects_transforms_that_change_boxes():
    data = DensePoseDataRelative({**POINTS, "dp_masks": MASKS})
    with pytest.raises(ValueError, match="RotationTransform is not supported"):
        data.apply_transform(TransformList([RotationTransform(10, 10, 30)]), symmetries())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dp_U": [1.5]}, r"field 'dp_U', value 0 must be a number in \[0, 1\], got 1.5"),
        ({"dp_y": [1.0, 2.0]}, "field 'dp_y' has 2 values, expected 1"),
        ({"dp_masks": [{"size": [10, 10], "counts": [100]}]}, r"must have size \[256, 256\], got \[10, 10\]"),
        ({"dp_vertex": [3]}, "field 'ref_model' must be the name of a mesh, got None"),
    ],
)
def test_invalid_annotations_are_reported_with_their_field(tmp_path, change, problem):
    content = {"images": [], "categories": [], "annotations": [{"id": 7, **POINTS, **change}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    register_densepose(str(tmp_path), str(tmp_path / "a.json"), "")
    with pytest.raises(DatasetError, match=f"annotation 7: .*{problem}"):
        DatasetCatalog.get(str(tmp_path))
    assert annotation_problem({}) is None


def test_mapper_attaches_annotations_to_their_objects(tmp_path):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.png")
    box = {"bbox": [10, 5, 20, 30], "bbox_mode": 1, "category_id": 0}
    record = {"file_name": str(tmp_path / "a.png"), "height": 40, "width": 60, "image_id": 1}
    record["annotations"] = [{**box, **POINTS, "dp_masks": MASKS}, box]
    mapper = DensePoseDatasetMapper(True, augmentations=[], image_format="BGR", masks_as_segmentation=True)
    instances = mapper(record)["instances"]
    assert [data is None for data in instances.gt_densepose] == [False, True]
    assert instances.gt_masks.tensor.sum((1, 2)).tolist() == pytest.approx([600, 0], abs=60)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("densepose_rcnn_R_101_FPN_DL_WC2M_s1x", "DensePoseChartWithConfidenceLoss"),
        ("cse/densepose_rcnn_R_50_FPN_soft_animals_I0_finetune_i2m_16k", "DensePoseCseLoss"),
        ("evolution/densepose_R_50_FPN_DL_WC1M_3x_Atop10P_CA_B_uv", "DensePoseChartWithConfidenceLoss"),
    ],
)
def test_configs_build_their_losses(name, loss):
    cfg = model_zoo.get_config(f"DensePose/{name}.yaml")
    assert type(DENSEPOSE_LOSS_REGISTRY.get(cfg.MODEL.ROI_DENSEPOSE_HEAD.LOSS_NAME)(cfg)).__name__ == loss


def test_adder_sets_the_defaults():
    cfg = get_cfg()
    add_densepose_config(cfg)
    assert cfg.MODEL.ROI_DENSEPOSE_HEAD.HEATMAP_SIZE == 112
    assert list(cfg.MODEL.HRNET.STAGE4.NUM_CHANNELS) == [32, 64, 128, 256]
