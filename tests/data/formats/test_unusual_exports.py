"""Folders that differ from the documented layouts in ways that occur in practice."""

import json
import shutil

import pytest
from PIL import Image

from detectory.data import DatasetError, sources
from detectory.data.dataset_folder import DatasetFolder
from detectory.data.formats import ConversionReport
from detectory.data.formats.yolo.config import read_yolo_config
from detectory.data.sources import find_sources, load_source
from detectory.data.validation import check_dataset
from detectory.structures import BoxMode

OBJECT = "<object><name>mug</name>{box}</object>"
BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox>"


def save_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 80)).save(path)


def write_voc(folder, box=BOX, images="images", labels="annotations"):
    save_image(folder / images / "a.jpg")
    (folder / labels).mkdir(parents=True)
    size = "<size><width>100</width><height>80</height></size>"
    content = f"<annotation><filename>a.jpg</filename>{size}{OBJECT.format(box=box)}</annotation>"
    (folder / labels / "a.xml").write_text(content)
    return folder


def write_labelme(folder, image_path="a.jpg"):
    save_image(folder / "a.jpg")
    shape = {"label": "mug", "points": [[10, 20], [40, 60]], "shape_type": "rectangle"}
    content = {"imagePath": image_path, "imageHeight": 80, "imageWidth": 100, "shapes": [shape]}
    (folder / "a.json").write_text(json.dumps(content))
    return folder


def write_yolo(folder):
    save_image(folder / "images/a.jpg")
    (folder / "labels").mkdir(parents=True)
    (folder / "labels/a.txt").write_text("0 0.25 0.5 0.3 0.5\n")
    (folder / "labels/classes.txt").write_text("mug\n")
    return folder


def only_annotation(folder):
    (source,) = find_sources(folder)
    (record,), _ = load_source(source)
    (annotation,) = record["annotations"]
    assert Image.open(record["file_name"]).size == (100, 80)
    return annotation


@pytest.mark.parametrize("write", [write_voc, write_labelme, write_yolo], ids=lambda f: f.__name__)
def test_hidden_files_are_ignored(tmp_path, write):
    folder = write(tmp_path)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
    assert BoxMode.convert(only_annotation(folder)["bbox"], only_annotation(folder)["bbox_mode"], BoxMode.XYWH_ABS)
    assert check_dataset(folder) == []


@pytest.mark.parametrize("write", [write_voc, write_labelme, write_yolo], ids=lambda f: f.__name__)
def test_a_dataset_in_the_only_folder_of_an_archive_is_found(tmp_path, write):
    write(tmp_path / "archive/dataset")
    (tmp_path / "archive/__MACOSX").mkdir()
    assert only_annotation(tmp_path / "archive")["category_id"] == 0


def test_the_file_of_class_names_in_the_label_folder_is_not_a_label_file(tmp_path):
    assert check_dataset(write_yolo(tmp_path)) == []


@pytest.mark.parametrize("part", ["", "annotations"])
def test_voc_files_are_found_in_lowercase_folders(tmp_path, part):
    assert only_annotation(write_voc(tmp_path) / part)["bbox"] == [10, 20, 40, 60]


@pytest.mark.parametrize("name", ["..\\..\\work\\a.jpg", "/home/anna/a.jpg", "D:\\work\\a.jpg"])
def test_labelme_paths_of_other_computers_name_the_image_next_to_the_file(tmp_path, name):
    write_labelme(tmp_path, name)
    assert only_annotation(tmp_path)["bbox"] == [10, 20, 30, 40]
    assert check_dataset(tmp_path) == []


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (
            "<robndbox><cx>50</cx><cy>40</cy><w>30</w><h>20</h><angle>0.5235988</angle></robndbox>",
            [50, 40, 30, 20, -30],
        ),
        (
            f"{BOX}<attributes><attribute><name>rotation</name><value>30.0</value></attribute></attributes>",
            [25, 40, 30, 40, -30],
        ),
    ],
    ids=["roLabelImg", "CVAT"],
)
def test_rotated_boxes_in_voc_files_are_read(tmp_path, box, expected):
    annotation = only_annotation(write_voc(tmp_path, box))
    assert annotation["bbox_mode"] == BoxMode.XYWHA_ABS
    assert annotation["bbox"] == pytest.approx(expected, abs=1e-4)
    assert check_dataset(tmp_path) == []


def write_tracks(folder, images=""):
    boxes = '<box frame="0" xtl="1" ytl="2" xbr="30" ybr="40" outside="0"/><box frame="1" outside="1"/>'
    labels = "<meta><label><name>mug</name></label></meta>"
    content = f'<annotations>{labels}{images}<track id="0" label="mug">{boxes}</track></annotations>'
    (folder / "annotations.xml").write_text(content)


def test_tracks_of_videos_are_reported(tmp_path):
    write_tracks(tmp_path)
    with pytest.raises(DatasetError, match=r"contains 1 tracks of a video and no images\. Export the task as"):
        load_source(find_sources(tmp_path)[0])
    save_image(tmp_path / "a.jpg")
    write_tracks(tmp_path, '<image id="0" name="a.jpg" width="100" height="80"></image>')
    report = ConversionReport()
    load_source(find_sources(tmp_path)[0], report)
    assert sum(report.skipped.values()) == 1
    assert report.needs_decision


def test_a_linked_image_folder_is_used(tmp_path):
    folder = write_yolo(tmp_path / "dataset")
    shutil.move(folder / "images", tmp_path / "elsewhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    assert only_annotation(folder)["bbox"] == pytest.approx([10, 20, 30, 40])


def test_objects_that_the_reader_skips_are_reported(tmp_path):
    write_labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"].append({"label": "mug", "points": [[1, 2]], "shape_type": "point"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    (problem,) = check_dataset(tmp_path)
    assert (problem.rule, problem.value) == ("skipped-object", 1)


def test_labels_without_an_image_are_reported(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels/b.txt").write_text("0 0.25 0.5 0.3 0.5\n0 0.5 0.5 0.3 0.5\n")
    assert [problem.rule for problem in check_dataset(tmp_path)] == ["label-without-image"]
    report = ConversionReport()
    load_source(find_sources(tmp_path)[0], report)
    assert (report.kept, report.skipped) == (1, {"the label file has no image": 2})


def test_images_with_the_same_file_are_reported(tmp_path):
    save_image(tmp_path / "a.jpg")
    images = [{"id": image, "file_name": "a.jpg", "width": 100, "height": 80} for image in (1, 2)]
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]}
    content = {"images": images, "annotations": [entry], "categories": [{"id": 1, "name": "mug"}]}
    (tmp_path / "train.json").write_text(json.dumps(content))
    (problem,) = check_dataset(tmp_path)
    assert (problem.rule, problem.id) == ("duplicate-image", "image 2")


def test_the_number_of_classes_of_a_yolo_configuration_must_be_that_of_the_names(tmp_path):
    (tmp_path / "data.yaml").write_text("train: images\nnc: 3\nnames: [mug, pen]\n")
    with pytest.raises(DatasetError, match=r"data.yaml: nc: is 3, but 'names' has 2 classes"):
        read_yolo_config(tmp_path)


def test_semantic_labels_are_refused_with_the_reason(tmp_path):
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "SegmentationClass" / "1.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"SegmentationClass contains semantic labels, .*load_sem_seg$"):
        find_sources(tmp_path)


@pytest.mark.parametrize(
    "name", ["C:\\data\\images\\a.jpg", "/home/me/images/a.jpg", "../images/a.jpg", "images\\a.jpg"]
)
@pytest.mark.parametrize("min_index", [1 << 20, 1], ids=["small", "large"])
def test_names_of_another_computer_are_found_in_the_image_folder(tmp_path, caplog, monkeypatch, name, min_index):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    save_image(tmp_path / "images" / "a.jpg")
    images = [{"id": 1, "file_name": name, "width": 100, "height": 80}]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0}
    content = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "mug"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    problems = check_dataset(tmp_path)
    assert [problem.rule for problem in problems] == ([] if name == "images\\a.jpg" else ["image-name"])
    monkeypatch.setattr(sources, "INDEX_MIN_BYTES", min_index)
    (source,) = find_sources(tmp_path / "instances.json")
    records, _ = load_source(source)
    assert records[0]["file_name"] == str(tmp_path / "images" / "a.jpg")
    assert len(caplog.records) == (0 if name == "images\\a.jpg" else 1)
    dataset = DatasetFolder.find(tmp_path)
    assert (dataset.train.images / "a.jpg").is_file() or (dataset.train.images / "images" / "a.jpg").is_file()


def test_absolute_names_without_a_file_are_an_error(tmp_path):
    save_image(tmp_path / "images" / "a.jpg")
    images = [{"id": 1, "file_name": "/home/me/b.jpg", "width": 100, "height": 80}]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "mug"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (source,) = find_sources(tmp_path / "instances.json")
    with pytest.raises(DatasetError, match=r"image 1: file_name: must be a path inside the image folder"):
        load_source(source)
