"""Models are compared with their datasets before the first step."""

import logging

import pytest
from torch import nn

from detectory import zoo
from detectory.core.config import instantiate
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.recipe.data_checks import MapperSettings, check_model_and_data, class_counts, setting_names

POLYGON = [[1.0, 1.0, 4.0, 1.0, 4.0, 4.0]]
RLE = {"size": [8, 8], "counts": b"0"}
MASKS, BOXES = MapperSettings(True, "polygon", False), MapperSettings(False, "polygon", False)


class Heads(nn.Module):
    def __init__(self, num_classes, mask_on=False, num_keypoints=0):
        super().__init__()
        self.num_classes, self.mask_on, self.keypoint_on = num_classes, mask_on, num_keypoints > 0
        self.keypoint_head = nn.Module()
        self.keypoint_head.num_keypoints = num_keypoints


class Model(nn.Module):
    def __init__(self, *arguments, **options):
        super().__init__()
        self.roi_heads = Heads(*arguments, **options)


@pytest.fixture
def dataset():
    """Return a function that registers objects, (category, further fields), as images with one object each."""

    def register(objects, names=("mug", "pen")):
        records = [
            {"file_name": f"{i}.jpg", "image_id": i, "annotations": [{"category_id": category, "iscrowd": 0, **fields}]}
            for i, (category, fields) in enumerate(objects)
        ]
        DatasetCatalog.register("checked", lambda: records)
        MetadataCatalog.get("checked").thing_classes = list(names)
        return ["checked"]

    yield register
    DatasetCatalog.remove("checked")
    MetadataCatalog.remove("checked")


def test_rejects_too_few_classes_with_both_setting_names(dataset):
    names = dataset([(0, {}), (3, {})], names=("mug", "pen", "cap", "cup"))
    with pytest.raises(ValueError, match="3 classes, but dataset checked has annotations of 4") as error:
        check_model_and_data(Model(3), names, BOXES)
    assert "first object of cup is object 0 of 1.jpg (image id 1)" in str(error.value)
    assert "model.roi_heads.num_classes=4 (MODEL.ROI_HEADS.NUM_CLASSES" in str(error.value)


def test_too_many_classes_are_a_warning(dataset, caplog):
    check_model_and_data(Model(80), dataset([(1, {})]), BOXES)
    assert "the model has 80 classes, dataset checked has 2: mug, pen" in caplog.text


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([(0, {}), (1, {})], "2 of 2 objects of dataset checked have boxes only; the first is object 0 of 0.jpg"),
        ([(0, {"segmentation": POLYGON}), (1, {})], "1 of 2 objects .* the first is object 0 of 1.jpg"),
        ([(0, {"segmentation": RLE})], "RLEs or bitmaps, .*instance_mask_format=bitmask"),
    ],
    ids=["boxes", "mixed", "rle"],
)
def test_rejects_masks_that_a_mask_head_cannot_use(dataset, objects, message):
    with pytest.raises(ValueError, match=message):
        check_model_and_data(Model(2, mask_on=True), dataset(objects), MASKS)


def test_crowd_regions_need_no_masks(dataset):
    objects = [(0, {"segmentation": POLYGON}), (1, {"iscrowd": 1})]
    check_model_and_data(Model(2, mask_on=True), dataset(objects), MASKS)


def test_rejects_another_number_of_keypoints(dataset):
    names = dataset([(0, {"keypoints": [1.0, 1.0, 2] * 5})])
    with pytest.raises(ValueError, match=r"predicts 17 keypoints, but 1 objects .*keypoint_head.num_keypoints=5"):
        check_model_and_data(Model(2, num_keypoints=17), names, MapperSettings(False, "polygon", True))


def test_custom_mappers_only_get_a_warning(dataset, caplog):
    with caplog.at_level(logging.WARNING):
        check_model_and_data(Model(1, mask_on=True), dataset([(1, {})]), None)
    assert "the model has 1 classes" in caplog.text


@pytest.mark.parametrize(
    ("recipe", "path", "keys"),
    [
        (
            "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x",
            "roi_heads",
            ("model.roi_heads.num_classes", "MODEL.ROI_HEADS.NUM_CLASSES"),
        ),
        ("COCO-Detection/retinanet_R_50_FPN_1x", "", ("model.num_classes", "MODEL.RETINANET.NUM_CLASSES")),
        ("COCO-Detection/fcos_R_50_FPN_1x", "", ("model.num_classes", "MODEL.FCOS.NUM_CLASSES")),
        (
            "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x",
            "roi_heads",
            ("model.roi_heads.num_classes", "MODEL.ROI_HEADS.NUM_CLASSES"),
        ),
        (
            "Misc/cascade_mask_rcnn_R_50_FPN_1x",
            "roi_heads",
            ("model.roi_heads.num_classes", "MODEL.ROI_HEADS.NUM_CLASSES"),
        ),
    ],
)
def test_the_classes_of_every_architecture_are_found(recipe, path, keys):
    config = zoo.get_config(f"{recipe}.py")
    model = instantiate(config.model)
    assert class_counts(model) == {path: 80}
    assert setting_names(path, type(model).__name__) == keys
