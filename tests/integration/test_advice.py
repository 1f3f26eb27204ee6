"""Advice from the data: what is reported for each architecture, and that its settings remove it."""

import numpy as np
import pytest
import torch

from detectory import zoo
from detectory.core.config import LazyConfig, instantiate
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.statistics import dataset_statistics
from detectory.engine.advice import advise, advise_on_training, format_advice
from detectory.structures import BoxMode

RCNNS = {
    "FPN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x",
    "C4": "COCO-Detection/faster_rcnn_R_50_C4_1x",
    "cascade": "Misc/cascade_mask_rcnn_R_50_FPN_1x",
    "keypoints": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "panoptic": "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x",
    "small": "COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small",
}
DENSE = {
    "RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x",
    "small RetinaNet": "COCO-Detection/retinanet_R_18_FPN_small",
    "FCOS": "COCO-Detection/fcos_R_50_FPN_1x",
}
RECIPES = RCNNS | DENSE
CLASSES = ("car", "bus")
TINY, BELOW, ABOVE, LONG = "vanishing objects", "boxes below the anchors", "boxes above the anchors", "aspect ratios"
PROPOSALS, DETECTIONS = "more objects than proposals", "more objects than detections"
EMPTY, IMBALANCE = "images without objects", "imbalance"


def images(boxes, size=(640, 640), empty=0):
    """Return records: one image for each list of boxes (class, width, height), and images without objects."""
    records = []
    for objects in [*boxes, *[[]] * empty]:
        annotations = [
            {"bbox": [0, 0, width, height], "bbox_mode": BoxMode.XYWH_ABS, "category_id": label}
            for label, width, height in objects
        ]
        records.append({"height": size[0], "width": size[1], "annotations": annotations})
    return records


def both(count, width, height):
    """Return a number of boxes of the same size, with alternating classes."""
    return [(index % 2, width, height) for index in range(count)]


PLAIN = [both(10, 100, 120)] * 4
DATASETS = {
    TINY: images([*PLAIN, both(20, 4.5, 4.5)], (1000, 1000)),
    BELOW: images([*PLAIN, both(20, 12, 12)]),
    ABOVE: images([*PLAIN, both(20, 1590, 990)], (1000, 1600)),
    LONG: images([*PLAIN, both(20, 400, 12), both(4, 20, 380)]),
    PROPOSALS: images([*PLAIN, both(2100, 100, 120)]),
    DETECTIONS: images([*PLAIN, both(120, 100, 120)]),
    EMPTY: images(PLAIN, empty=3),
    IMBALANCE: images([*PLAIN, [(0, 100, 120)] * 1000]),
}


def topics(records, config, **arguments):
    return [piece.topic for piece in advise(dataset_statistics(records, CLASSES), config, **arguments)]


CASES = [
    *((topic, name) for topic in (TINY, DETECTIONS, IMBALANCE) for name in RECIPES),
    *((EMPTY, name) for name in RECIPES if name != "panoptic"),
    *((topic, name) for topic in (BELOW, LONG) for name in RECIPES if name != "FCOS"),
    *((topic, name) for topic in (ABOVE, PROPOSALS) for name in RCNNS),
]


@pytest.mark.parametrize(("topic", "name"), CASES)
def test_settings_remove_the_advice_and_build(topic, name):
    config = zoo.get_config(RECIPES[name])
    pieces = advise(dataset_statistics(DATASETS[topic], CLASSES), config)
    piece = next(piece for piece in pieces if piece.topic == topic)
    assert piece.settings
    LazyConfig.apply_overrides(config, piece.settings)
    assert topic not in topics(DATASETS[topic], config)
    with torch.device("meta"):
        model = instantiate(config.model)
    if topic in (BELOW, ABOVE, LONG):
        generator = getattr(model, "proposal_generator", model).anchor_generator
        head = model.head if "RetinaNet" in name else model.proposal_generator.rpn_head
        predictor = head.bbox_pred if "RetinaNet" in name else head.anchor_deltas
        assert {number * 4 for number in generator.num_anchors} == {predictor.out_channels}


@pytest.mark.parametrize("name", RECIPES)
def test_a_dataset_that_fits_gets_no_advice(name):
    config = zoo.get_config(RECIPES[name])
    records = images(PLAIN)
    assert topics(records, config, val=dataset_statistics(records, CLASSES)) == []


@pytest.mark.parametrize("name", ["FPN", "FCOS"])
def test_an_empty_dataset_is_described(name):
    config = zoo.get_config(RECIPES[name])
    assert topics([], config) == ["rare classes"]
    assert topics(images([], empty=2), config) == ["rare classes", EMPTY]


def test_images_that_a_recipe_uses_as_background_are_not_reported():
    assert topics(DATASETS[EMPTY], zoo.get_config(RECIPES["panoptic"])) == []


def test_rare_classes_are_named_with_their_counts():
    records = images([*PLAIN, [(2, 50, 50)] * 3])
    statistics = dataset_statistics(records, [*CLASSES, "tram", "bike"])
    (piece,) = advise(statistics, zoo.get_config(RECIPES["FPN"]))
    assert str(piece) == (
        "2 classes have fewer than 10 training objects: bike (0), tram (3). Annotate more images with these classes, "
        "or leave the classes out."
    )


def test_classes_only_in_the_validation_images_are_named():
    val = dataset_statistics(images([[(0, 50, 50), (2, 50, 50)]]), [*CLASSES, "tram"])
    pieces = advise(dataset_statistics(images(PLAIN), CLASSES), zoo.get_config(RECIPES["FPN"]), val)
    assert [piece.message for piece in pieces] == ["1 class of the validation images has no training object: tram"]


def test_objects_that_need_huge_images_have_no_setting():
    records = images([both(20, 4, 4)] * 2, (6000, 6000))
    piece = advise(dataset_statistics(records, CLASSES), zoo.get_config(RECIPES["FPN"]))[0]
    assert (piece.topic, piece.settings) == (TINY, ())
    assert "cut the images into tiles" in piece.remedy


def test_a_resize_without_maximum_gets_no_maximum():
    config = zoo.get_config(RECIPES["small"])
    for loader in (config.dataloader.train, config.dataloader.test):
        del loader.mapper.augmentations[0]["max_size"]
    piece = advise(dataset_statistics(DATASETS[TINY], CLASSES), config)[0]
    assert [setting.rpartition(".")[2].partition("=")[0] for setting in piece.settings] == ["short_edge_length"] * 2


def test_large_scale_jitter_has_no_single_setting_for_the_image_size():
    config = zoo.get_config("new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ")
    piece = advise(dataset_statistics(DATASETS[TINY], CLASSES), config)[0]
    assert (piece.topic, piece.settings) == (TINY, ())


def test_multi_scale_training_keeps_its_range():
    config = zoo.get_config(RECIPES["FPN"])
    piece = advise(dataset_statistics(DATASETS[TINY], CLASSES), config)[0]
    LazyConfig.apply_overrides(config, piece.settings)
    lengths = [
        loader.mapper.augmentations[0].short_edge_length for loader in (config.dataloader.train, config.dataloader.test)
    ]
    assert lengths[0][-1] == lengths[1]
    assert np.isclose(lengths[0][0] / lengths[0][-1], 640 / 800, atol=0.01)


def test_the_datasets_of_a_recipe_are_compared(request):
    for split, boxes in (("train", [(0, 100, 120)] * 40), ("val", both(40, 100, 120))):
        name = f"advice_{split}"
        DatasetCatalog.register(name, lambda boxes=boxes: images([boxes]))
        MetadataCatalog.get(name).thing_classes = list(CLASSES)
        request.addfinalizer(lambda name=name: (DatasetCatalog.remove(name), MetadataCatalog.remove(name)))
    config = zoo.get_config(RECIPES["small"])
    config.dataloader.train.dataset.names, config.dataloader.test.dataset.names = "advice_train", "advice_val"
    assert [piece.topic for piece in advise_on_training(config)] == ["rare classes", "classes missing in training"]


def test_text_has_the_numbers_and_the_keys():
    config = zoo.get_config(RECIPES["small"])
    text = format_advice(advise(dataset_statistics(DATASETS[DETECTIONS], CLASSES), config))
    assert text == (
        "- An image has 120 objects, but the recipe allows 100 detections per image. Raise the limits:\n"
        "    model.roi_heads.box_predictor.test_topk_per_image=150\n"
        "    dataloader.evaluator.max_dets_per_image=150"
    )
