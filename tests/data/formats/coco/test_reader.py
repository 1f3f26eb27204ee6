import pytest

from detectory.data import (
    DatasetCatalog,
    DatasetError,
    MetadataCatalog,
    register_coco_instances,
)
from detectory.data.formats import read_coco
from detectory.data.registration import load_coco_json
from detectory.structures import BoxMode


def test_records_follow_the_standard_format(coco):
    record = load_coco_json(coco.file, coco.images, "mine")[0]
    assert record["file_name"] == str(coco.images / "1.jpg")
    assert (record["height"], record["width"], record["image_id"]) == (40, 64, 1)
    assert record["annotations"][0]["bbox_mode"] == BoxMode.XYWH_ABS
    assert record["annotations"][0]["category_id"] == 1


def test_categories_are_numbered_in_the_order_of_their_ids(coco):
    load_coco_json(coco.file, coco.images, "mine")
    assert MetadataCatalog.get("mine").thing_classes == ["dog", "cat"]
    assert MetadataCatalog.get("mine").thing_dataset_id_to_contiguous_id == {3: 0, 7: 1}


def test_category_ids_stay_without_a_dataset_name(coco):
    assert load_coco_json(coco.file, coco.images)[0]["annotations"][0]["category_id"] == 7


def test_half_a_pixel_is_added_to_keypoints(coco):
    coco.content["annotations"][0]["keypoints"] = [3, 4, 2, 0, 0, 0]
    annotation = load_coco_json(coco.write(), coco.images, "mine")[0]["annotations"][0]
    assert annotation["keypoints"] == [3.5, 4.5, 2, 0.5, 0.5, 0]


def test_extra_keys_are_taken_over(coco):
    coco.content["annotations"][0]["mood"] = "good"
    records = load_coco_json(coco.write(), coco.images, "mine", extra_annotation_keys=["mood"])
    assert records[0]["annotations"][0]["mood"] == "good"


def test_uncompressed_rle_becomes_compressed(coco):
    coco.content["annotations"][0]["segmentation"] = {"size": [40, 64], "counts": [10, 20, 40 * 64 - 30]}
    annotation = load_coco_json(coco.write(), coco.images, "mine")[0]["annotations"][0]
    assert isinstance(annotation["segmentation"]["counts"], bytes)


def test_a_registered_file_is_read_when_asked_for(coco):
    register_coco_instances("mine", {"extra": 1}, str(coco.file), coco.images)
    assert len(DatasetCatalog.get("mine")) == 4
    assert MetadataCatalog.get("mine").extra == 1
    assert MetadataCatalog.get("mine").evaluator_type == "coco"


def _annotation(**fields):
    return lambda content: content["annotations"][1].update(fields)


PROBLEMS = {
    "unknown category": (_annotation(category_id=99), "annotation 2: category_id: no category has the id 99"),
    "unknown image": (_annotation(image_id=99), "annotation 2: image_id: no image has the id 99"),
    "polygon of 4 numbers": (_annotation(segmentation=[[1, 2, 3, 4]]), r"annotation 2: segmentation\[0\]: .*got 4"),
    "polygon with NaN": (_annotation(segmentation=[[1, 2, 3, 4, 5, float("nan")]]), r"segmentation\[0\]: .*got nan"),
    "negative width": (_annotation(bbox=[4, 4, -3, 5]), r"annotation 2: bbox: .*not be negative, got \[4, 4, -3, 5\]"),
    "box of 3 numbers": (_annotation(bbox=[4, 4, 3]), "annotation 2: bbox: must have 4 values"),
    "huge rle": (_annotation(segmentation={"size": [64, 40], "counts": [10**12]}), "segmentation: .*must sum to 64"),
    "rle of another size": (_annotation(segmentation={"size": [9, 9], "counts": [81]}), "the image has 64 x 40"),
    "damaged rle": (_annotation(segmentation={"size": [64, 40], "counts": "zzzzzzzz~~"}), "RLE 'counts' are corrupt"),
    "duplicate annotation": (_annotation(id=1), "annotation 1: id: duplicate id"),
    "duplicate image": (lambda c: c["images"].append(c["images"][0]), "image 1: id: duplicate id"),
    "path traversal": (
        lambda c: c["images"][0].update(file_name="../x.jpg"),
        "image 1: file_name: must be a path inside the image folder",
    ),
    "absolute path": (
        lambda c: c["images"][0].update(file_name="/etc/passwd"),
        "image 1: file_name: must be a path inside the image folder",
    ),
    "no height": (lambda c: c["images"][0].pop("height"), "image 1: height: must be a positive number"),
    "no categories": (lambda c: c.pop("categories"), "not a COCO file: the list 'categories' is missing"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_rejects(coco, case):
    change, message = PROBLEMS[case]
    change(coco.content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_coco_json(coco.write(), coco.images, "mine")
    assert str(coco.file) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not valid JSON: .* at line 1, column 2"),
        (b"[1]", "not a COCO file: expected a JSON object, got list"),
        (b'{"images": "\xff"}', "not UTF-8: byte 0xff at offset 12"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
    ],
    ids=["broken", "list", "latin-1", "deep"],
)
def test_rejects_what_is_no_coco_file(coco, data, message):
    coco.file.write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        load_coco_json(coco.file, coco.images)


def test_problems_are_skipped_and_counted_when_asked(coco, caplog):
    _annotation(bbox=[4, 4, -3, 5])(coco.content)
    records = read_coco(coco.write(), coco.images, skip_invalid=True).records
    assert [len(record["annotations"]) for record in records] == [1, 0, 1, 1]
    assert "skipped invalid records (problems: 1)" in caplog.text


def test_real_coco_files_load(test_data):
    folder = test_data / "coco"
    records = load_coco_json(folder / "annotations/instances_val2017.json", folder / "val2017", "real")
    assert len(records) == 30
    assert sum(len(record["annotations"]) for record in records) == 216
