"""Names, flip pairs and skeletons of keypoints in the formats that store them."""

import json

import pytest
import yaml
from PIL import Image

from detectory.data.dataset_folder import DatasetFolder
from detectory.data.formats import ConversionReport, write_coco, write_yolo, write_yolo_config
from detectory.data.formats.coco.categories import keypoint_metadata
from detectory.data.sources import find_sources, load_source
from detectory.structures import BoxMode

NAMES = ["tip", "wing_left", "wing_right"]
PAIRS = [("wing_left", "wing_right")]
EDGES = [("tip", "wing_left"), ("tip", "wing_right")]
POINTS = [10, 20, 2, 30, 40, 1, 0, 0, 0]


def save_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 80)).save(path)
    return path


def coco(root):
    save_image(root / "train/a.jpg")
    category = {"id": 5, "name": "bird", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]}
    points = [9.5, 19.5, 2, 29.5, 39.5, 1, -0.5, -0.5, 0]
    entry = {"id": 1, "image_id": 1, "category_id": 5, "bbox": [10, 20, 20, 20], "keypoints": points}
    images = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]
    (root / "annotations").mkdir()
    content = {"images": images, "annotations": [entry], "categories": [category]}
    (root / "annotations/instances_train.json").write_text(json.dumps(content))


def yolo(root):
    save_image(root / "images/train/a.jpg")
    (root / "labels/train").mkdir(parents=True)
    (root / "labels/train/a.txt").write_text("0 0.2 0.375 0.2 0.25 0.1 0.25 2 0.3 0.5 1 0 0 0\n")
    config = {"train": "images/train", "names": ["bird"], "kpt_shape": [3, 3], "flip_idx": [0, 2, 1]}
    config |= {"kpt_names": {0: NAMES}, "skeleton": [[1, 2], [1, 3]]}
    (root / "data.yaml").write_text(yaml.safe_dump(config))


def cvat(root):
    save_image(root / "images/a.jpg")
    circles = "".join(
        f'&lt;circle r="1" data-node-id="{index}" data-label-name="{name}"&gt;' for index, name in enumerate(NAMES)
    )
    lines = "".join(f'&lt;line data-type="edge" data-node-from="0" data-node-to="{end}"&gt;' for end in (1, 2))
    label = f"<label><name>bird</name><type>skeleton</type><svg>{lines}{circles}</svg></label>"
    children = "".join(f"<label><name>{name}</name><parent>bird</parent></label>" for name in reversed(NAMES))
    points = (
        '<points label="wing_left" occluded="1" outside="0" points="30.0,40.0"></points>'
        '<points label="tip" occluded="0" outside="0" points="10.0,20.0"></points>'
        '<points label="wing_right" occluded="0" outside="1" points="1.0,1.0"></points>'
    )
    shapes = f'<skeleton label="bird">{points}</skeleton><cuboid label="bird" xtl1="1" ytl1="1"></cuboid>'
    body = f'<image id="0" name="a.jpg" width="100" height="80">{shapes}</image>'
    meta = f"<meta><job><labels>{label}{children}</labels></job></meta>"
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{meta}{body}</annotations>")


def write_datumaro(root, annotations, labels):
    save_image(root / "images/train/a.jpg")
    points = {"items": [{"label_id": 0, "labels": NAMES, "joints": [[1, 2], [1, 3]]}]}
    categories = {"label": {"labels": [{"name": name} for name in labels]}, "points": points}
    item = {"id": "a", "annotations": annotations, "image": {"path": "a.jpg", "size": [80, 100]}}
    (root / "annotations").mkdir()
    (root / "annotations/train.json").write_text(json.dumps({"categories": categories, "items": [item]}))


def datumaro_points(root):
    box = {"type": "bbox", "label_id": 0, "bbox": [10, 20, 20, 20], "group": 3}
    coordinates = [value for index, value in enumerate(POINTS) if index % 3 != 2]
    points = {"type": "points", "label_id": 0, "points": coordinates, "visibility": POINTS[2::3], "group": 3}
    write_datumaro(root, [box, points], ["bird"])


def datumaro_skeleton(root):
    elements = [
        {"type": "points", "label_id": 2, "points": [30, 40], "visibility": [1]},
        {"type": "points", "label_id": 1, "points": [10, 20], "visibility": [2]},
    ]
    write_datumaro(root, [{"type": "skeleton", "label_id": 0, "elements": elements, "group": 0}], ["bird", *NAMES])


@pytest.mark.parametrize("write", [coco, yolo, cvat, datumaro_points, datumaro_skeleton], ids=lambda f: f.__name__)
def test_keypoints_and_their_description_are_read(tmp_path, write):
    write(tmp_path)
    report = ConversionReport()
    (record,), metadata = load_source(find_sources(tmp_path)[0], report)
    (annotation,) = record["annotations"]
    assert annotation["keypoints"] == pytest.approx(POINTS)
    assert annotation["bbox"] == pytest.approx([10, 20, 20, 20])
    assert metadata.thing_classes[0] == "bird"
    assert (metadata.keypoint_names, metadata.keypoint_flip_map) == (NAMES, PAIRS)
    assert [edge[:2] for edge in metadata.keypoint_connection_rules] == EDGES
    assert report.kept == 1


def test_cuboids_are_reported(tmp_path):
    cvat(tmp_path)
    report = ConversionReport()
    load_source(find_sources(tmp_path)[0], report)
    assert report.skipped == {"a CVAT cuboid is not a box, a polygon or a mask": 1}
    assert report.needs_decision


@pytest.mark.parametrize("write", [yolo, cvat, datumaro_points], ids=lambda f: f.__name__)
def test_descriptions_survive_the_conversion_for_training(tmp_path, monkeypatch, write):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "ds")
    dataset = DatasetFolder.find(tmp_path / "ds")
    categories = json.loads(dataset.train.annotations.read_text())["categories"]
    assert dataset.num_keypoints == 3
    assert keypoint_metadata(categories)["keypoint_flip_map"] == PAIRS
    assert categories[0]["skeleton"] == [[1, 2], [1, 3]]


def test_flip_pairs_that_names_do_not_show_survive_in_coco_and_yolo(tmp_path):
    metadata = {
        "keypoint_names": ["a", "b", "c"],
        "keypoint_flip_map": [("a", "c")],
        "keypoint_connection_rules": [("a", "b", (0, 0, 0))],
    }
    box = {"bbox": [10, 20, 20, 20], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, "keypoints": POINTS}
    path = save_image(tmp_path / "images/train/a.jpg")
    record = {"file_name": str(path), "height": 80, "width": 100, "image_id": 1, "annotations": [box]}
    write_coco([record], ["bird"], tmp_path / "a.json", tmp_path, keypoints=metadata)
    (category,) = json.loads((tmp_path / "a.json").read_text())["categories"]
    assert category["flip_idx"] == [2, 1, 0]
    assert keypoint_metadata([category])["keypoint_flip_map"] == [("a", "c")]
    write_yolo([record], ["a.jpg"], tmp_path / "labels/train", keypoint_shape=(3, 3))
    write_yolo_config(tmp_path, ["bird"], ["train"], keypoint_shape=(3, 3), keypoints=metadata)
    _, loaded = load_source(find_sources(tmp_path / "data.yaml")[0])
    assert (loaded.keypoint_names, loaded.keypoint_flip_map) == (["a", "b", "c"], [("a", "c")])
    assert [edge[:2] for edge in loaded.keypoint_connection_rules] == [("a", "b")]
