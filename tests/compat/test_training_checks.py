"""Models of Detectron2 configs are compared with the data before the first step."""

import numpy as np
import pytest
from PIL import Image

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.engine.data_checks import check_model
from detectory.compat.detectron2.modeling import build_model
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.recipe.data_checks import class_counts, setting_names
from detectory.engine.recipe.semantic_checks import num_semantic_classes

CONFIGS = [
    "COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml",
    "COCO-Detection/retinanet_R_50_FPN_1x.yaml",
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml",
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml",
    "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml",
    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
    "Misc/mask_rcnn_R_50_FPN_1x_cls_agnostic.yaml",
]


def config(name, *overrides):
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = "meta"
    cfg.DATASETS.TRAIN = ("checked",)
    cfg.merge_from_list(overrides)
    return cfg


def value_of(cfg, key):
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


@pytest.mark.parametrize("name", CONFIGS)
def test_the_setting_of_the_classes_is_named_for_every_architecture(name):
    cfg = config(name)
    model = build_model(cfg)
    counts = class_counts(model)
    assert len(counts) == 1
    for path, count in counts.items():
        assert count == value_of(cfg, setting_names(path, type(model).__name__)[1])


@pytest.fixture
def dataset(tmp_path):
    """Register one image with an object of class 5 and the labels 0 to 60; return its record."""
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "labels.png")
    annotation = {"category_id": 5, "bbox": [1, 1, 4, 4], "bbox_mode": 0, "iscrowd": 0}
    record = {"file_name": "a.jpg", "image_id": 1, "height": 8, "width": 8, "annotations": [annotation]}
    record["sem_seg_file_name"] = str(tmp_path / "labels.png")
    DatasetCatalog.register("checked", lambda: [record])
    MetadataCatalog.get("checked").set(evaluator_type="coco")
    yield record
    DatasetCatalog.remove("checked")
    MetadataCatalog.remove("checked")


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (CONFIGS[0], ["MODEL.ROI_HEADS.NUM_CLASSES", 3], r"3 classes, .* of 6.*MODEL\.ROI_HEADS\.NUM_CLASSES"),
        (CONFIGS[1], ["MODEL.RETINANET.NUM_CLASSES", 3], r"3 classes, .* of 6.*MODEL\.RETINANET\.NUM_CLASSES"),
        (CONFIGS[2], [], r"1 of 1 objects of dataset checked have boxes only.*MODEL\.MASK_ON=False"),
        (CONFIGS[3], ["MODEL.ROI_HEADS.NUM_CLASSES", 6], "no object of dataset checked has keypoints"),
        ("Misc/semantic_R_50_FPN_1x.yaml", [], r"contain 54; .*Set .*\(MODEL\.SEM_SEG_HEAD\.NUM_CLASSES=64"),
        (CONFIGS[4], ["MODEL.SEM_SEG_HEAD.NUM_CLASSES", 10], r"contain 10; .*MODEL\.SEM_SEG_HEAD\.NUM_CLASSES=64"),
    ],
    ids=["box classes", "dense classes", "masks", "keypoints", "semantic", "panoptic"],
)
def test_models_that_do_not_fit_the_data_are_rejected(dataset, name, overrides, message):
    cfg = config(name, *overrides)
    with pytest.raises(ValueError, match=message):
        check_model(build_model(cfg), cfg, has_default_loader=True)


def test_the_classes_of_semantic_heads_are_found():
    model = build_model(config("Misc/semantic_R_50_FPN_1x.yaml"))
    assert num_semantic_classes(model.sem_seg_head) == 54
