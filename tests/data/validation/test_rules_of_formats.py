"""The rules about boxes and masks in all formats but COCO's, on one image with two objects."""

import json

import numpy as np
import pytest
from PIL import Image

from detectory.data.formats import write_panoptic_png
from detectory.data.validation import check_dataset
from detectory.structures import BoxMode

WIDTH, HEIGHT = 96, 72
SECOND = (50, 29, 90, 41)
CASES = {
    "valid": ([(5, 40, 33, 64), SECOND], []),
    "partly outside": ([(5, 40, 33, 90), SECOND], ["box-partly-outside"]),
    "outside": ([(200, 40, 233, 64), SECOND], ["box-outside-image"]),
    "empty": ([(5, 40, 5, 64), SECOND], ["empty-box"]),
    "all empty": ([(5, 40, 5, 64)], ["empty-box", "no-objects"]),
    "larger than the image": ([(0, 0, 999, 999), SECOND], ["box-larger-than-image"]),
    "normalized": ([(0.1, 0.5, 0.4, 0.9), SECOND], ["normalized-coordinates"]),
    "twice the same": ([SECOND, SECOND], ["duplicate-annotation"]),
    "no objects": ([], ["no-objects"]),
}
# A YOLO file cannot store pixels or boxes far outside the image.
YOLO_CASES = ("valid", "empty", "all empty", "twice the same", "no objects")


@pytest.fixture
def image(tmp_path):
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def rules(path):
    return sorted(problem.rule for problem in check_dataset(path))


def polygon(box):
    x1, y1, x2, y2 = box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


@pytest.mark.parametrize(("boxes", "expected"), CASES.values(), ids=CASES)
def test_rules_of_records(image, boxes, expected):
    annotations = [{"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0} for box in boxes]
    record = {"file_name": "a.png", "image_id": 1, "height": HEIGHT, "width": WIDTH, "annotations": annotations}
    path = image.with_name("records.json")
    path.write_text(json.dumps([record]))
    assert rules(path) == expected


@pytest.mark.parametrize(("boxes", "expected"), CASES.values(), ids=CASES)
def test_rules_of_pascal_voc(image, boxes, expected):
    objects = "".join(
        f"<object><name>mug</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for x1, y1, x2, y2 in boxes
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    image.with_suffix(".xml").write_text(f"<annotation><filename>a.png</filename>{size}{objects}</annotation>")
    assert rules(image.parent) == expected


@pytest.mark.parametrize("case", YOLO_CASES)
def test_rules_of_yolo(image, case):
    boxes, expected = CASES[case]
    lines = [
        f"0 {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}\n"
        for x1, y1, x2, y2 in boxes
    ]
    image.with_suffix(".txt").write_text("".join(lines))
    (image.parent / "classes.txt").write_text("mug\n")
    assert rules(image.parent) == expected


def test_yolo_box_beyond_the_border_is_reported(image):
    image.with_suffix(".txt").write_text("0 0.9 0.5 0.8 0.2\n0 0.5 0.5 0.2 0.2\n")
    (image.parent / "classes.txt").write_text("mug\n")
    (problem,) = check_dataset(image.parent)
    assert (problem.rule, problem.id) == ("box-partly-outside", "object 0")
    assert problem.message == "box [0.9, 0.5, 0.8, 0.2] in an image of 96 x 72 pixels"


LABELME_RULES = {
    "box-partly-outside": "polygon-partly-outside",
    "box-outside-image": "polygon-outside-image",
    "box-larger-than-image": "polygon-partly-outside",
}


@pytest.mark.parametrize("case", [case for case in CASES if "empty" not in case])
def test_rules_of_labelme(image, case):
    boxes, expected = CASES[case]
    points = [[[x1, y1], [x2, y1], [x2, y2], [x1, y2]] for x1, y1, x2, y2 in boxes]
    shapes = [{"label": "mug", "shape_type": "polygon", "points": corners} for corners in points]
    content = {"imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    image.with_suffix(".json").write_text(json.dumps(content))
    assert rules(image.parent) == [LABELME_RULES.get(rule, rule) for rule in expected]


@pytest.mark.parametrize("case", CASES)
def test_rules_of_lvis(image, case):
    boxes, expected = CASES[case]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "segmentation": [polygon((x1, y1, x2, y2))],
        }
        for number, (x1, y1, x2, y2) in enumerate(boxes, start=1)
    ]
    images = [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH, "neg_category_ids": []}]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "mug"}]}
    path = image.with_name("lvis_v1_train.json")
    path.write_text(json.dumps(content))
    found = {problem.rule for problem in check_dataset(path, image.parent)}
    # Masks have the same violation as their boxes.
    assert {rule for rule in found if not rule.startswith("polygon")} == set(expected)


def panoptic(folder, categories, segments):
    for name in ("train", "panoptic_train", "annotations"):
        (folder / name).mkdir()
    Image.new("RGB", (4, 2)).save(folder / "train/1.jpg")
    write_panoptic_png(folder / "panoptic_train/1.png", np.array([[7, 7, 7, 7]] * 2))
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 2, "width": 4}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": segments}],
        "categories": categories,
    }
    (folder / "annotations/panoptic_train.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("categories", "segments", "expected"),
    [
        ([{"id": 1, "name": "cat", "isthing": 1}], [{"id": 7, "category_id": 1}], []),
        ([{"id": 1, "name": "cat", "isthing": 1}], [], ["no-objects", "pixels-without-segment"]),
        ([{"id": -1, "name": "cat", "isthing": 1}], [{"id": 7, "category_id": -1}], ["category-id"]),
        (
            [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "cat", "isthing": 0}],
            [{"id": 7, "category_id": 1}],
            ["duplicate-category-name"],
        ),
    ],
    ids=["valid", "no segments", "negative category id", "equal names"],
)
def test_rules_of_panoptic_files(tmp_path, categories, segments, expected):
    assert rules(panoptic(tmp_path, categories, segments)) == expected
