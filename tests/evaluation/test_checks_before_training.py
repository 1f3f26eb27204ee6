"""Ground truth that a model cannot be evaluated on is reported before the training."""

import json

import pytest

from detectory.data import MetadataCatalog
from detectory.evaluation import (
    COCOEvaluator,
    COCOPanopticEvaluator,
    DatasetEvaluators,
    LVISEvaluator,
    PascalVOCDetectionEvaluator,
)
from detectory.evaluation.evaluator import ModelOutputs


@pytest.fixture
def dataset(tmp_path):
    """Return a function that registers a COCO file with one object of some fields, and returns its name."""

    def register(**fields):
        content = {
            "images": [{"id": 1, "file_name": "a.jpg", "height": 9, "width": 9}],
            "categories": [{"id": 3, "name": "mug"}],
            "annotations": [
                {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0, **fields}
            ],
        }
        (tmp_path / "val.json").write_text(json.dumps(content))
        MetadataCatalog.get("checked").set(json_file=str(tmp_path / "val.json"))
        return "checked"

    yield register
    MetadataCatalog.remove("checked")


def test_masks_need_masks_in_the_ground_truth(dataset):
    evaluator = COCOEvaluator(dataset())
    evaluator.check(ModelOutputs())
    with pytest.raises(ValueError, match=r"val\.json: 1 of 1 objects have no mask.*annotation 7 of image 1"):
        evaluator.check(ModelOutputs(masks=True))
    COCOEvaluator("checked", tasks=["bbox"]).check(ModelOutputs(masks=True))


def test_keypoints_need_their_number_and_that_of_the_sigmas(dataset):
    name = dataset(keypoints=[1, 1, 2] * 5, num_keypoints=5)
    DatasetEvaluators([COCOEvaluator(name)]).check(ModelOutputs(num_keypoints=5))
    with pytest.raises(ValueError, match=r"annotation 7 has 5 keypoints, but the detections have 17"):
        COCOEvaluator(name).check(ModelOutputs(num_keypoints=17))
    with pytest.raises(ValueError, match=r"got 2 for 5 keypoints\. Set them by dataloader\.evaluator\.kpt_oks_sigmas"):
        COCOEvaluator(name, kpt_oks_sigmas=[0.1, 0.1]).check(ModelOutputs(num_keypoints=5))


def test_lvis_needs_verified_absent_classes(dataset):
    with pytest.raises(ValueError, match=r"val\.json is not an LVIS file: images have no 'neg_category_ids'"):
        LVISEvaluator(dataset()).check()


def test_panoptic_needs_its_label_images(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 9, "width": 9}],
        "categories": [{"id": 3, "name": "sky", "isthing": 0}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": []}],
    }
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    MetadataCatalog.get("checked").set(
        panoptic_json=str(tmp_path / "panoptic.json"),
        panoptic_root=str(tmp_path),
        thing_dataset_id_to_contiguous_id={},
        stuff_dataset_id_to_contiguous_id={3: 0},
    )
    with pytest.raises(FileNotFoundError, match=r"panoptic\.json: 1 of 1 PNG files do not exist, .*a\.png"):
        COCOPanopticEvaluator("checked").check()
    MetadataCatalog.remove("checked")


def test_voc_needs_its_annotation_files(tmp_path):
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("1\n")
    MetadataCatalog.get("checked").set(dirname=str(tmp_path), split="val", year=2012, thing_classes=["mug"])
    with pytest.raises(FileNotFoundError, match=r"1\.xml"):
        PascalVOCDetectionEvaluator("checked").check()
    MetadataCatalog.remove("checked")
