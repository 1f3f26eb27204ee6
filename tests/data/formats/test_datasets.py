import json

import numpy as np
import pytest
from PIL import Image

from detectory.data import (
    DatasetCatalog,
    DatasetError,
    MetadataCatalog,
    print_instances_class_histogram,
    register_coco_panoptic_separated,
)
from detectory.data.builtin import builtin_datasets
from detectory.data.builtin.prepare import (
    cocofy_lvis,
    convert_ade20k_labels,
    separate_coco_semantic_from_panoptic,
)
from detectory.data.class_weights import get_fed_loss_cls_weights
from detectory.data.conversion import convert_to_coco_json
from detectory.data.formats import (
    load_coco_panoptic_json,
    load_sem_seg,
    load_voc_instances,
    read_panoptic_png,
)
from detectory.data.formats.voc.reader import voc_class_names
from detectory.data.metadata.lvis import get_lvis_instances_meta
from detectory.data.registration import load_coco_json, load_lvis_json
from detectory.structures import BoxMode, ids_to_rgb, rgb_to_ids


@pytest.mark.parametrize("name", builtin_datasets())
def test_every_built_in_dataset_has_metadata(name):
    metadata = MetadataCatalog.get(name)
    assert metadata.name == name
    assert metadata.evaluator_type
    assert metadata.get("thing_classes") or metadata.get("stuff_classes")


INSTANCES, LABELS = {"json_file", "image_root", "thing_classes"}, {"stuff_classes", "ignore_label"}
PANOPTIC = {"panoptic_root", "panoptic_json", "image_root", "thing_classes", "stuff_classes", "ignore_label"}


@pytest.mark.parametrize(
    ("name", "evaluator", "keys"),
    [
        ("coco_2014_minival", "coco", INSTANCES | {"thing_colors", "thing_dataset_id_to_contiguous_id"}),
        ("keypoints_coco_2017_train", "coco", INSTANCES | {"keypoint_names", "keypoint_flip_map"}),
        ("keypoints_coco_2017_val_100", "coco", INSTANCES | {"keypoint_connection_rules"}),
        ("coco_2017_train_panoptic", "coco_panoptic_seg", PANOPTIC | {"label_divisor", "stuff_colors"}),
        ("coco_2017_val_panoptic_separated", "coco_panoptic_seg", PANOPTIC | {"sem_seg_root", "json_file"}),
        ("coco_2017_val_100_panoptic_stuffonly", "sem_seg", LABELS | {"sem_seg_root", "image_root"}),
        ("lvis_v1_val", "lvis", INSTANCES | {"class_image_count"}),
        ("lvis_v0.5_val_rand_100", "lvis", INSTANCES),
        ("lvis_v0.5_train_cocofied", "lvis", INSTANCES | {"thing_dataset_id_to_contiguous_id"}),
        ("voc_2007_trainval", "pascal_voc", {"dirname", "year", "split", "thing_classes"}),
        ("cityscapes_fine_instance_seg_train", "cityscapes_instance", {"image_dir", "gt_dir", "thing_classes"}),
        ("cityscapes_fine_sem_seg_val", "cityscapes_sem_seg", LABELS | {"image_dir", "gt_dir"}),
        ("cityscapes_fine_panoptic_val", "cityscapes_panoptic_seg", PANOPTIC | {"gt_dir", "label_divisor"}),
        ("ade20k_sem_seg_val", "sem_seg", LABELS | {"image_root", "sem_seg_root"}),
        ("ade20k_panoptic_train", "ade20k_panoptic_seg", PANOPTIC | {"label_divisor"}),
    ],
)
def test_built_in_metadata_hold_what_evaluators_and_drawing_need(name, evaluator, keys):
    metadata = MetadataCatalog.get(name)
    assert metadata.evaluator_type == evaluator
    assert keys <= set(metadata.as_dict())


@pytest.mark.parametrize(
    ("name", "things", "stuff"),
    [
        ("coco_2017_val_panoptic", 133, 133),
        ("coco_2017_val_panoptic_separated", 80, 54),
        ("cityscapes_fine_panoptic_val", 19, 19),
        ("cityscapes_fine_instance_seg_val", 8, 19),
        ("ade20k_panoptic_val", 150, 150),
    ],
)
def test_panoptic_metadata_count_their_classes(name, things, stuff):
    metadata = MetadataCatalog.get(name)
    assert (len(metadata.thing_classes), len(metadata.stuff_classes)) == (things, stuff)


@pytest.mark.parametrize(
    ("name", "count"), [("lvis_v1_train", 1203), ("lvis_v0.5_val", 1230), ("lvis_v1_cocofied", 80)]
)
def test_lvis_metadata_name_all_classes(name, count):
    names = get_lvis_instances_meta(name)["thing_classes"]
    assert len(set(names)) == count
    assert "zebra" in names


def test_lvis_v1_tells_how_many_images_show_each_class():
    counts = MetadataCatalog.get("lvis_v1_train").class_image_count
    frequencies = [
        "r" if entry["image_count"] <= 10 else "c" if entry["image_count"] <= 100 else "f" for entry in counts
    ]
    assert [entry["id"] for entry in counts] == list(range(1, 1204))
    assert [frequencies.count(kind) for kind in "rcf"] == [337, 461, 405]
    assert get_fed_loss_cls_weights("lvis_v1_train", 0.5)[:2].tolist() == pytest.approx([8, 364**0.5])


def test_rejects_an_unknown_version_of_lvis():
    with pytest.raises(ValueError, match="unknown version: did you mean 'lvis_v1'"):
        get_lvis_instances_meta("lvis_v2")


def test_panoptic_colors_carry_ids_both_ways():
    ids = np.array([[0, 255, 256], [65536, 70000, (1 << 24) - 1]])
    np.testing.assert_array_equal(rgb_to_ids(ids_to_rgb(ids)), ids)


def test_real_panoptic_segments_have_the_recorded_areas(test_data, monkeypatch):
    monkeypatch.setenv("DETECTORY_DATASETS", str(test_data))
    records = DatasetCatalog.get("coco_2017_val_panoptic")
    assert len(records) == 7
    for record in records:
        ids = read_panoptic_png(record["pan_seg_file_name"])
        assert ids.shape == (record["height"], record["width"])
        assert {s["id"]: s["area"] for s in record["segments_info"]} == {
            s["id"]: int((ids == s["id"]).sum()) for s in record["segments_info"]
        }


def test_real_panoptic_data_become_separated_ones(test_data, tmp_path):
    coco = test_data / "coco"
    panoptic = coco / "annotations/panoptic_val2017.json"
    count = separate_coco_semantic_from_panoptic(panoptic, coco / "panoptic_val2017", tmp_path)
    args = [
        coco / "val2017",
        coco / "panoptic_val2017",
        panoptic,
        tmp_path,
        coco / "annotations/instances_val2017.json",
    ]
    register_coco_panoptic_separated("mine", {}, *map(str, args))
    records = DatasetCatalog.get("mine_separated")
    assert len(records) == count == 7
    assert len(DatasetCatalog.get("mine_stuffonly")) == 7
    labels = np.unique(np.concatenate([np.asarray(Image.open(r["sem_seg_file_name"])).ravel() for r in records]))
    assert set(labels) <= {*range(54), 255}
    assert any(record["annotations"] for record in records)


def test_a_segment_of_an_unknown_category_is_named(tmp_path):
    content = {"annotations": [{"image_id": 5, "file_name": "5.png", "segments_info": [{"id": 1, "category_id": 9}]}]}
    file = tmp_path / "panoptic.json"
    file.write_text(json.dumps(content))
    meta = {"thing_dataset_id_to_contiguous_id": {1: 0}, "stuff_dataset_id_to_contiguous_id": {}}
    with pytest.raises(DatasetError, match=r"image 5: segments_info\.category_id: segment 1: no category has the id 9"):
        load_coco_panoptic_json(file, tmp_path, tmp_path, meta)


def test_panoptic_images_may_be_named_by_text(tmp_path):
    images = [{"id": "street_1", "height": 4, "width": 6}]
    annotations = [{"image_id": name, "file_name": f"{name}.png", "segments_info": []} for name in ("street_1", "007")]
    (tmp_path / "panoptic.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    meta = {"thing_dataset_id_to_contiguous_id": {}, "stuff_dataset_id_to_contiguous_id": {}}
    first, second = load_coco_panoptic_json(tmp_path / "panoptic.json", tmp_path, tmp_path, meta)
    assert (first["image_id"], first["width"], second["image_id"]) == ("street_1", 6, 7)


def test_semantic_labels_are_paired_by_path(tmp_path, caplog):
    for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    for name in ("a/2.png", "b/3.png"):
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / name).touch()
    records = load_sem_seg(tmp_path / "labels", tmp_path / "photos")
    assert [record["file_name"][-7:] for record in records] == ["a/2.jpg", "b/3.jpg"]
    assert "3 images" in caplog.text


def test_real_lvis_annotations_load(test_data):
    records = load_lvis_json(test_data / "lvis_gold/lvis_val_100.json", "coco", "lvis_mine")
    assert len(records) == 100
    assert sum(len(record["annotations"]) for record in records) == 977
    assert all("val2017" in record["file_name"] for record in records)
    assert len(MetadataCatalog.get("lvis_mine").thing_classes) == 1230
    assert sum(entry["image_count"] > 0 for entry in MetadataCatalog.get("lvis_mine").class_image_count) == 190


def test_cocofied_lvis_has_cocos_classes(test_data, tmp_path):
    kept = cocofy_lvis(test_data / "lvis_gold/lvis_val_100.json", tmp_path / "cocofied.json")
    content = json.loads((tmp_path / "cocofied.json").read_text())
    assert 100 < kept == len(content["annotations"]) < 977
    assert {annotation["category_id"] for annotation in content["annotations"]} <= set(range(1, 91))
    MetadataCatalog.get("lvis_cocofied").set(**get_lvis_instances_meta("lvis_v0.5_cocofied"))
    records = load_lvis_json(tmp_path / "cocofied.json", "coco", "lvis_cocofied")
    assert sum(len(record["annotations"]) for record in records) == kept


def test_real_voc_annotations_load(test_data):
    folder = str(test_data / "voc_bccd")
    names = voc_class_names(folder, "trainval")
    records = load_voc_instances(folder, "trainval", names)
    assert names == ["Platelets", "RBC", "WBC"]
    assert all(record["annotations"] for record in records)
    assert records[0]["annotations"][0]["bbox_mode"] == BoxMode.XYXY_ABS


def test_voc_boxes_count_from_zero(tmp_path):
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ImageSets/Main/train.txt").write_text("7\n")
    (tmp_path / "Annotations/7.xml").write_text(
        "<annotation><size><width>9</width><height>8</height></size><object><name>cat</name><bndbox><xmin>1</xmin>"
        "<ymin>2</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></object></annotation>"
    )
    (record,) = load_voc_instances(str(tmp_path), "train", ["dog", "cat"])
    assert record["annotations"] == [{"category_id": 1, "bbox": [0.0, 1.0, 4.0, 5.0], "bbox_mode": BoxMode.XYXY_ABS}]
    with pytest.raises(DatasetError, match=r"7\.xml: object 0: name: unknown class 'cat': did you mean 'cats'"):
        load_voc_instances(str(tmp_path), "train", ["cats"])


def test_ade20k_labels_are_shifted(tmp_path):
    (tmp_path / "annotations/training").mkdir(parents=True)
    Image.fromarray(np.array([[0, 1, 150]], np.uint8)).save(tmp_path / "annotations/training/a.png")
    assert convert_ade20k_labels(tmp_path) == 1
    shifted = np.asarray(Image.open(tmp_path / "annotations_detectron2/training/a.png"))
    assert shifted.tolist() == [[255, 0, 149]]


def test_prepared_files_with_other_content_are_kept(tmp_path):
    (tmp_path / "annotations").mkdir()
    Image.fromarray(np.array([[1]], np.uint8)).save(tmp_path / "annotations/a.png")
    convert_ade20k_labels(tmp_path)
    file = tmp_path / "annotations_detectron2/a.png"
    before = file.stat()
    convert_ade20k_labels(tmp_path)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"a\.png exists with other content"):
        convert_ade20k_labels(tmp_path)
    assert file.read_bytes() == b"mine"
    convert_ade20k_labels(tmp_path, overwrite=True)
    assert np.asarray(Image.open(file)).tolist() == [[0]]


def test_a_dataset_is_written_as_a_coco_file(coco, tmp_path):
    coco.content["annotations"][1]["segmentation"] = {"size": [64, 40], "counts": [10, 20, 64 * 40 - 30]}
    coco.content["annotations"][2]["keypoints"] = [3, 4, 2, 0, 0, 0]
    before = load_coco_json(coco.write(), coco.images, "before")
    DatasetCatalog.register("before", lambda: before)
    convert_to_coco_json("before", tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [a["bbox"] for a in content["annotations"]] == [[4, 6, 20, 10]] * 4
    assert [a["area"] for a in content["annotations"]] == [200, 20, 200, 200]
    assert content["annotations"][2]["keypoints"] == [3, 4, 2, 0, 0, 0]
    assert content["annotations"][0]["category_id"] == 7


def test_masks_as_numbers_of_pixels_are_written_compressed(tmp_path):
    segmentation = {"size": [8, 10], "counts": [10, 20, 50]}
    annotation = {"category_id": 0, "bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYWH_ABS, "segmentation": segmentation}
    record = {"file_name": "a.png", "image_id": 1, "height": 8, "width": 10, "annotations": [annotation]}
    DatasetCatalog.register("run_lengths", lambda: [record])
    MetadataCatalog.get("run_lengths").thing_classes = ["thing"]
    convert_to_coco_json("run_lengths", tmp_path / "out.json")
    (written,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert written["area"] == 20
    assert isinstance(written["segmentation"]["counts"], str)


def test_the_log_lists_the_commonest_classes_in_lines_of_a_terminal(caplog):
    names = [f"class {number}" for number in range(60)]
    annotations = [{"category_id": number} for number in range(50) for _ in range(number)]
    with caplog.at_level("INFO"):
        print_instances_class_histogram([{"annotations": annotations}], names)
    assert "1225 instances of 60 classes in 1 images" in caplog.text
    assert "  class 49 49, class 48 48," in caplog.text
    assert "and 9 rarer classes, and 11 classes without instances" in " ".join(caplog.text.split())
    assert max(map(len, caplog.text.splitlines()[1:])) <= 100
