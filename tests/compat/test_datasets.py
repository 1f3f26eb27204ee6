"""Built-in datasets under another root, and scripts that draw annotations."""

import json

import pytest
from PIL import Image

from detectory.compat.detectron2.data import DatasetCatalog, MetadataCatalog
from detectory.compat.detectron2.data.datasets import builtin, coco
from detectory.compat.detectron2.data.datasets.cityscapes_panoptic import get_cityscapes_panoptic_files


@pytest.fixture(autouse=True)
def other_tests_see_the_default_root(monkeypatch):
    monkeypatch.setattr(DatasetCatalog, "_loaders", dict(DatasetCatalog.data))
    monkeypatch.setattr(MetadataCatalog, "data", dict(MetadataCatalog.data))


def coco_categories():
    metadata = MetadataCatalog.get("coco_2017_val")
    ids = metadata.thing_dataset_id_to_contiguous_id
    return [{"id": category, "name": metadata.thing_classes[i]} for category, i in ids.items()]


@pytest.fixture
def coco_root(tmp_path):
    (tmp_path / "coco/annotations").mkdir(parents=True)
    (tmp_path / "coco/val2017").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "coco/val2017/a.jpg")
    annotation = {"id": 1, "image_id": 5, "category_id": 1, "bbox": [1, 2, 30, 20], "area": 600, "iscrowd": 0}
    content = {
        "images": [{"id": 5, "file_name": "a.jpg", "height": 48, "width": 64}],
        "annotations": [{**annotation, "segmentation": [[1, 2, 31, 2, 31, 22]]}],
        "categories": coco_categories(),
    }
    (tmp_path / "coco/annotations/instances_val2017.json").write_text(json.dumps(content))
    return tmp_path


def test_builtin_datasets_can_be_registered_under_another_root(coco_root):
    builtin.register_all_coco(str(coco_root))
    records = DatasetCatalog.get("coco_2017_val")
    assert [record["file_name"] for record in records] == [str(coco_root / "coco/val2017/a.jpg")]
    assert MetadataCatalog.get("coco_2017_val").json_file.startswith(str(coco_root))
    assert MetadataCatalog.get("coco_2017_val").thing_classes[0] == "person"


@pytest.mark.parametrize(
    ("register", "name"),
    [
        (builtin.register_all_lvis, "lvis_v1_val"),
        (builtin.register_all_cityscapes, "cityscapes_fine_sem_seg_val"),
        (builtin.register_all_cityscapes_panoptic, "cityscapes_fine_panoptic_val"),
        (builtin.register_all_pascal_voc, "voc_2007_test"),
        (builtin.register_all_ade20k, "ade20k_sem_seg_val"),
    ],
)
def test_every_dataset_family_can_be_registered_under_another_root(tmp_path, register, name):
    usual = MetadataCatalog.get(name).as_dict()
    register(str(tmp_path))
    moved = MetadataCatalog.get(name).as_dict()
    assert moved.keys() == usual.keys()
    assert any(str(tmp_path) in str(value) for value in moved.values())


def test_annotations_are_drawn(coco_root):
    file = coco_root / "coco/annotations/instances_val2017.json"
    images = coco_root / "coco/val2017"
    coco.main([str(file), str(images), "drawn_dataset", "--output", str(coco_root / "drawn")])
    with Image.open(coco_root / "drawn/a.jpg") as image:
        assert image.size == (64, 48)
        assert max(high for _, high in image.getextrema()) > 50


def test_cityscapes_panoptic_files_are_paired(tmp_path):
    image = tmp_path / "images/aachen/aachen_000_leftImg8bit.png"
    image.parent.mkdir(parents=True)
    image.touch()
    entry = {"image_id": "aachen_000", "file_name": "aachen_000_panoptic.png", "segments_info": [{"id": 7}]}
    files = get_cityscapes_panoptic_files(str(tmp_path / "images"), "labels", {"annotations": [entry]})
    assert files == [(str(image), "labels/aachen_000_panoptic.png", [{"id": 7}])]
