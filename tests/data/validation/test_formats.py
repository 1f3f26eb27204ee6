import json

import numpy as np
import pytest
from PIL import Image

from detectory.data.formats import write_panoptic_png
from detectory.data.formats.layouts import json_format
from detectory.data.sources import find_sources, load_source
from detectory.data.validation import check_dataset


def found(path, **kwargs):
    return {(problem.id, problem.field) for problem in check_dataset(path, **kwargs)}


@pytest.fixture
def panoptic(tmp_path):
    """One image with two segments; change `content` and call the fixture."""
    for name in ("val", "panoptic_val", "annotations"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (4, 2)).save(tmp_path / "val/1.jpg")
    write_panoptic_png(tmp_path / "panoptic_val/1.png", np.array([[7, 7, 300, 300], [7, 7, 300, 0]]))
    segments = [{"id": 7, "category_id": 1, "area": 4}, {"id": 300, "category_id": 2, "area": 3}]
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 2, "width": 4}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}],
    }

    def written():
        (tmp_path / "annotations/panoptic_val.json").write_text(json.dumps(content))
        return tmp_path

    written.content = content
    return written


def test_valid_panoptic_dataset_has_no_problems(panoptic):
    assert check_dataset(panoptic(), decode=True) == []
    ((record,), metadata) = load_source(find_sources(panoptic())[0])
    assert [segment["isthing"] for segment in record["segments_info"]] == [True, False]
    assert metadata.thing_classes == ["cat", "sky"]


def replace_png(folder, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(folder / "panoptic_val/1.png")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda c, f: c["annotations"][0]["segments_info"].pop(), {"pixels-without-segment"}),
        (
            lambda c, f: c["annotations"][0]["segments_info"].append({"id": 9, "category_id": 1}),
            {"segment-without-pixels"},
        ),
        (lambda c, f: c["annotations"][0]["segments_info"][0].update(area=3), {"segment-area"}),
        (lambda c, f: c["annotations"][0]["segments_info"][0].update(bbox=[0, 0, 4, 2]), {"segment-box"}),
        (lambda c, f: c["annotations"][0]["segments_info"][0].update(bbox=[0, 0, 2, 2]), set()),
        (lambda c, f: c["annotations"][0]["segments_info"][1].update(id=7), {"duplicate-id"}),
        (lambda c, f: c["annotations"][0]["segments_info"][1].update(category_id=5), {"unknown-id"}),
        (lambda c, f: c["annotations"].append(dict(c["annotations"][0])), {"duplicate-id"}),
        (
            lambda c, f: c["images"].append({"id": 2, "file_name": "2.jpg", "height": 2, "width": 4}),
            {"image-without-annotation"},
        ),
        (lambda c, f: (f / "panoptic_val/1.png").unlink(), {"missing-image"}),
        (lambda c, f: (f / "panoptic_val/1.png").write_bytes(b"PNG"), {"damaged-image"}),
        (lambda c, f: replace_png(f, np.zeros((3, 4, 3))), {"image-size"}),
        (lambda c, f: replace_png(f, np.zeros((2, 4))), {"segment-file-mode"}),
    ],
)
def test_panoptic_files_are_compared_with_their_png_files(panoptic, tmp_path, damage, expected):
    damage(panoptic.content, tmp_path)
    assert {problem.rule for problem in check_dataset(panoptic())} == expected


def test_reports_all_problems_of_a_panoptic_dataset(panoptic):
    panoptic.content["annotations"][0]["segments_info"][0].update(id=8, area=5)
    panoptic.content["annotations"].append({"image_id": 5, "file_name": "../1.png", "segments_info": [{"id": -1}]})
    panoptic.content["categories"][0]["isthing"] = "yes"
    one, other = "annotation of image 1", "annotation of image 5"
    assert found(panoptic(), decode=True) == {
        ("category 1", "isthing"),
        (one, "segments_info.id"),
        (other, "image_id"),
        (other, "file_name"),
        (other, "segments_info.id"),
        (other, "segments_info.category_id"),
    }


def test_reports_segment_areas_that_differ_from_the_pixels(panoptic):
    panoptic.content["annotations"][0]["segments_info"][1]["area"] = 9
    (problem,) = check_dataset(panoptic(), decode=True)
    assert problem.message.startswith("segment 300 has area 9, but 3 pixels")


def test_reports_all_problems_of_an_lvis_file(tmp_path):
    (tmp_path / "val2017").mkdir()
    Image.new("RGB", (4, 2)).save(tmp_path / "val2017/1.jpg")
    good = {"id": 1, "coco_url": "x/val2017/1.jpg", "height": 2, "width": 4, "neg_category_ids": [1]}
    images = [good, {**good, "id": 2, "coco_url": "x/val2017/2.jpg", "neg_category_ids": [9]}]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    content = {"images": images, "annotations": [annotation], "categories": [{"id": 1, "name": "cat"}]}
    file = tmp_path / "lvis_v1_val.json"
    file.write_text(json.dumps(content))
    missing, negative = ("image 2", "coco_url"), ("image 2", "neg_category_ids")
    assert found(file, image_root=tmp_path) == {missing, negative, ("annotation 1", "segmentation")}


def voc_xml(name, objects):
    boxes = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in objects
    )
    size = "<size><width>9</width><height>8</height></size>"
    return f"<annotation><filename>{name}.png</filename>{size}{boxes}</annotation>"


def test_reports_all_problems_of_a_voc_folder(tmp_path):
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (tmp_path / name).mkdir(parents=True)
    Image.new("RGB", (9, 8)).save(tmp_path / "JPEGImages/a.png")
    objects = [("cat", 1, 1, 9, 8), ("cat", 5, 1, 2, 8), ("dog", 1, "x", 9, 8), ("", 1, 1, 2, 2), ("dog", 1, 1, 12, 8)]
    (tmp_path / "Annotations/a.xml").write_text(voc_xml("a", objects))
    (tmp_path / "Annotations/b.xml").write_text(voc_xml("b", []))
    (tmp_path / "Annotations/c.xml").write_text("<annotation>")
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nb\nc\nd\n")
    objects = {("object 1", "bndbox"), ("object 2", "object/bndbox/ymin"), ("object 3", "object/name")}
    assert found(tmp_path) == objects | {("object 4", "bndbox"), ("", "filename"), ("", ""), ("image d", "")}


def test_reports_all_problems_of_a_yolo_folder(tmp_path):
    for name in ("images/train", "labels/train"):
        (tmp_path / name).mkdir(parents=True)
    Image.new("RGB", (9, 8)).save(tmp_path / "images/train/a.png")
    (tmp_path / "labels/train/a.txt").write_text("0 .5 .5 .1 .1\n7 .5 .5 .1 .1\n0 5 5 1 1\n")
    (tmp_path / "labels/train/b.txt").write_text("")
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\n")
    assert found(tmp_path) == {("line 2", "class"), ("line 3", ""), ("", "")}


def test_reports_missing_yolo_class_names(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels/a.txt").write_text("")
    (problem,) = check_dataset(tmp_path)
    assert "class names not found" in problem.message


def test_reports_all_problems_of_a_labelme_folder(tmp_path):
    Image.new("RGB", (9, 8)).save(tmp_path / "a.png")
    shapes = [{"label": "cat", "points": [[0, 0], [1, 1]]}, {"label": "cat", "points": [[0, float("nan")]]}]
    content = {"imagePath": "a.png", "imageHeight": 8, "imageWidth": 10, "shapes": shapes}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "b.json").write_text(json.dumps({**content, "imagePath": "../../missing.png"}))
    size = ("", "imageWidth, imageHeight")
    assert found(tmp_path) == {("shape 0", "points"), ("shape 1", "points"), size, ("", "imagePath")}


def test_records_of_a_registered_dataset_are_checked(tmp_path):
    from detectory.data import DatasetCatalog, MetadataCatalog

    bad = {"category_id": 3, "bbox": [0, 0, 1], "bbox_mode": 0}
    DatasetCatalog.register("mine", lambda: [{"file_name": "none.jpg", "image_id": 4, "annotations": [bad]}])
    MetadataCatalog.get("mine").thing_classes = ["cat"]
    place = "record 0 (image 4)"
    fields = {(f"{place}: annotation 0", "category_id"), (f"{place}: annotation 0", "bbox, bbox_mode")}
    assert found("mine") == {(place, "file_name"), *fields}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[{"file_name": "a"}]', "records"),
        ('{"annotations": [{"segments_info": []}]}', "panoptic"),
        ('{"images": [{"neg_category_ids": []}]}', "lvis"),
        ('{"imagePath": "a", "shapes": []}', "labelme"),
        ("hello", "coco"),
        ("", "coco"),
    ],
)
def test_json_formats_are_detected_by_their_keys(tmp_path, text, kind):
    (tmp_path / "a.json").write_text(text)
    assert json_format(tmp_path / "a.json") == kind


def test_real_files_of_every_format_are_recognised(test_data):
    kinds = [source.format for name in ("coco", "voc_bccd", "lvis_gold") for source in find_sources(test_data / name)]
    assert kinds == ["coco", "coco", "panoptic", "panoptic", "coco", "coco", "voc", "voc", "lvis"]


def test_real_voc_dataset_has_no_problems(test_data):
    assert check_dataset(test_data / "voc_bccd") == []


def test_rejects_folder_without_annotations(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no dataset found\. The folder is empty\. Expected one of: anno"):
        find_sources(tmp_path)
