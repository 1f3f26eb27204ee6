import json

import pytest
from PIL import Image

from detectory.data import DatasetError
from detectory.data.conversion import convert_labelme, convert_voc, convert_yolo
from detectory.data.formats.yolo.config import read_yolo_config
from detectory.data.registration import load_coco_json
from detectory.data.sources import find_sources, load_source
from detectory.data.validation import check_dataset


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (100, 50)).save(tmp_path / "images/a.jpg")
    Image.new("RGB", (30, 40)).save(tmp_path / "images/b.png")
    return tmp_path


def content_of(folder):
    assert check_dataset(folder / "out.json", image_root=folder / "images") == []
    return json.loads((folder / "out.json").read_text())


def yolo(folder, text):
    (folder / "labels").mkdir()
    (folder / "labels/a.txt").write_text(text)
    return convert_yolo(folder / "images", folder / "labels", ["cat", "dog"], folder / "out.json")


def test_yolo_boxes_and_polygons_become_absolute(photo):
    assert yolo(photo, "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.3 0.1 0.3 0.5\n") == 2
    box, polygon = content_of(photo)["annotations"]
    assert (box["bbox"], box["category_id"], box["image_id"]) == ([40, 15, 20, 20], 2, 1)
    assert polygon["segmentation"] == [pytest.approx([10, 5, 30, 5, 30, 25])]
    assert polygon["area"] == pytest.approx(200)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.2 0.4", r"line 1: class: must be an integer in \[0, 2\), got 2"),
        ("0 0.5 0.5 0.2", "line 1: must have 4 coordinates"),
        ("0 50 50 20 40", r"line 1: coordinates must be relative to the image, in \[0, 1\]"),
        ("cat 0.5 0.5 0.2 0.4", "line 1: must contain only numbers: could not convert string to float: 'cat'"),
    ],
)
def test_a_bad_line_of_yolo_is_named(photo, line, message):
    with pytest.raises(DatasetError, match=message):
        yolo(photo, line)
    assert not (photo / "out.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "data.yaml",
            b"names: {0: cat, one: dog}",
            r"data\.yaml: names: must be a list of names, or a mapping from 0, 1, 2",
        ),
        ("classes.txt", b"caf\xe9", r"classes\.txt: not UTF-8: byte 0xe9"),
    ],
)
def test_a_bad_list_of_classes_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_yolo_config(tmp_path)


def labelme(folder, shapes):
    content = {"imagePath": "a.jpg", "imageHeight": 50, "imageWidth": 100, "shapes": shapes}
    (folder / "images/a.json").write_text(json.dumps(content))
    return convert_labelme(folder / "images", folder / "out.json")


def test_labelme_shapes_become_objects(photo):
    triangle = {"label": "cat", "points": [[0, 0], [10, 0], [0, 10]], "shape_type": "polygon"}
    rectangle = {"label": "dog", "points": [[20, 10], [30, 30]], "shape_type": "rectangle", "group_id": 3}
    other = {"label": "dog", "points": [[40, 10], [50, 30]], "shape_type": "rectangle", "group_id": 3}
    point = {"label": "cat", "points": [[1, 1]], "shape_type": "point"}
    assert labelme(photo, [triangle, rectangle, other, point]) == 1
    cat, dog = content_of(photo)["annotations"]
    assert (cat["area"], cat["bbox"]) == (50, [0, 0, 10, 10])
    assert (dog["area"], dog["bbox"], len(dog["segmentation"])) == (400, [20, 10, 30, 20], 2)


def test_a_bad_shape_of_labelme_is_named(photo):
    with pytest.raises(DatasetError, match="shape 0: points: a polygon must have at least 3 points, got 2"):
        labelme(photo, [{"label": "cat", "points": [[0, 0], [1, 1]]}])


def test_real_voc_data_become_a_coco_file(test_data, tmp_path):
    folder = test_data / "voc_bccd"
    count = convert_voc(folder, "test", tmp_path / "out.json")
    records = load_coco_json(tmp_path / "out.json", folder / "JPEGImages", "bccd")
    assert len(records) == count > 0
    assert check_dataset(tmp_path / "out.json", image_root=folder / "JPEGImages") == []


def test_folders_of_labelme_files_are_the_splits_of_one_dataset(photo):
    for split in ("train", "val"):
        (photo / split).mkdir()
        shape = {"label": "cat", "points": [[0, 0], [4, 4]], "shape_type": "rectangle"}
        content = {"imagePath": "a.jpg", "imageHeight": 40, "imageWidth": 64, "shapes": [shape]}
        (photo / split / "a.json").write_text(json.dumps(content))
    found = find_sources(photo)
    assert [(source.format, source.split) for source in found] == [("labelme", "train"), ("labelme", "val")]
    assert load_source(found[1])[0][0]["file_name"] == str(photo / "val" / "a.jpg")
