"""Folders as annotation tools export them, written here after the documentation of the tools."""

import base64
import io
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from detectory.data import DatasetCatalog
from detectory.data.dataset_folder import DatasetFolder
from detectory.data.formats import ConversionReport, write_yolo_config
from detectory.data.formats.voc.masks import voc_palette
from detectory.data.sources import find_sources, load_source
from detectory.structures import BoxMode, rle_to_bitmask

BOX = [10, 20, 30, 40]  # x, y, width, height in an image of 100 x 80 pixels
VOC = (
    "<annotation><filename>{name}</filename><size><width>100</width><height>80</height></size><object><name>mug</name>"
    "<difficult>1</difficult><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>"
    "</annotation>"
)
YOLO_LINE = "0 0.25 0.5 0.3 0.5\n"


def write(path, content=None):
    """Write an image of 100 x 80 pixels, JSON or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        Image.new("RGB", (100, 80)).save(path)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def coco(file_name):
    return {
        "images": [{"id": 0, "file_name": file_name, "width": 100, "height": 80}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": BOX, "area": 1200, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "mug"}],
    }


def roboflow_coco(root):
    for split in ("train", "valid", "test"):
        write(root / split / "a_jpg.rf.12ab.jpg")
        write(root / split / "_annotations.coco.json", coco("a_jpg.rf.12ab.jpg"))


def roboflow_voc(root):
    for split in ("train", "valid"):
        write(root / split / "a_jpg.rf.12ab.jpg")
        write(root / split / "a_jpg.rf.12ab.xml", VOC.format(name="a_jpg.rf.12ab.jpg"))


def roboflow_yolo(root):
    for split in ("train", "valid"):
        write(root / split / "images" / "a.jpg")
        write(root / split / "labels" / "a.txt", YOLO_LINE)
    write(
        root / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: ['mug']\n",
    )


def roboflow_csv(root):
    for split in ("train", "valid"):
        write(root / split / "a.jpg")
        header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        write(root / split / "_annotations.csv", header + "a.jpg,100,80,mug,10,20,40,60\n")


def cvat_coco(root):
    write(root / "images/default/a.jpg")
    write(root / "annotations/instances_default.json", coco("a.jpg"))


def cvat_voc(root):
    write(root / "JPEGImages/a.jpg")
    write(root / "Annotations/a.xml", VOC.format(name="a.jpg"))
    write(root / "ImageSets/Main/default.txt", "a\n")
    write(root / "labelmap.txt", "mug:1,2,3::\n")


def cvat_yolo_ultralytics(root):
    write(root / "images/train/a.jpg")
    write(root / "labels/train/a.txt", YOLO_LINE)
    write(root / "train.txt", "data/images/train/a.jpg\n")
    write(root / "data.yaml", "names:\n  0: mug\npath: .\ntrain: train.txt\n")


def cvat_xml(root):
    write(root / "images/a.jpg")
    box = '<box label="mug" occluded="0" xtl="10" ytl="20" xbr="40" ybr="60" z_order="0"></box>'
    labels = "<meta><job><labels><label><name>mug</name></label></labels></job></meta>"
    image = f'<image id="0" name="a.jpg" width="100" height="80">{box}</image>'
    write(root / "annotations.xml", f"<annotations><version>1.1</version>{labels}{image}</annotations>")


def label_studio_coco(root):
    write(root / "images/1f-a.jpg")
    write(root / "result.json", coco("images\\1f-a.jpg"))


def label_studio_voc(root):
    write(root / "images/1f-a.jpg")
    write(root / "Annotations/1f-a.xml", VOC.format(name="1f-a"))


def label_studio_yolo(root):
    write(root / "images/1f-a.jpg")
    write(root / "labels/1f-a.txt", YOLO_LINE)
    write(root / "classes.txt", "mug\n")
    write(root / "notes.json", {"categories": [{"id": 0, "name": "mug"}], "info": {"year": 2026}})


def fiftyone_coco(root):
    write(root / "data/a.jpg")
    write(root / "labels.json", coco("a.jpg"))


def labelme(root):
    write(root / "a.jpg")
    shape = {"label": "mug", "points": [[10, 20], [40, 60]], "shape_type": "rectangle", "group_id": None, "flags": {}}
    write(root / "a.json", {"imagePath": "a.jpg", "imageHeight": 80, "imageWidth": 100, "shapes": [shape]})


def via(root):
    write(root / "a.jpg")
    shape = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}
    entry = {
        "filename": "a.jpg",
        "size": 9,
        "regions": [{"shape_attributes": shape, "region_attributes": {"class": "mug"}}],
    }
    write(
        root / "via_project.json",
        {"_via_settings": {}, "_via_img_metadata": {"a.jpg9": {**entry, "file_attributes": {}}}},
    )


def datumaro(root):
    write(root / "images/train/a.jpg")
    annotation = {"id": 0, "type": "bbox", "label_id": 0, "bbox": BOX, "group": 0, "attributes": {}}
    item = {"id": "a", "annotations": [annotation], "image": {"path": "a.jpg", "size": [80, 100]}}
    categories = {"label": {"labels": [{"name": "mug", "parent": ""}]}}
    write(root / "annotations/train.json", {"info": {}, "categories": categories, "items": [item]})


def keras_csv(root):
    write(root / "images/a.jpg")
    write(root / "annotations.csv", "images/a.jpg,10,20,40,60,mug\n")


def dota(root):
    for split in ("train", "val"):
        write(root / split / "images/a.png")
        header = "imagesource:GoogleEarth\ngsd:0.146\n"
        write(root / split / "labelTxt/a.txt", f"{header}10.0 20.0 40.0 20.0 40.0 60.0 10.0 60.0 mug 0\n")


EXPORTS = [
    dota,
    roboflow_coco,
    roboflow_voc,
    roboflow_yolo,
    roboflow_csv,
    cvat_coco,
    cvat_voc,
    cvat_yolo_ultralytics,
    cvat_xml,
    label_studio_coco,
    label_studio_voc,
    label_studio_yolo,
    fiftyone_coco,
    labelme,
    via,
    datumaro,
    keras_csv,
]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_the_export_is_found_with_its_images_classes_and_boxes(tmp_path, export):
    export(tmp_path)
    sources = find_sources(tmp_path)
    assert [source.split for source in sources][:2] in (
        ["train", "val"],
        ["test", "train"],
        ["train"],
        [""],
        ["default"],
    )
    for source in sources:
        report = ConversionReport()
        (record,), metadata = load_source(source, report)
        assert Image.open(record["file_name"]).size == (100, 80)
        assert (record["width"], record["height"], metadata.thing_classes) == (100, 80, ["mug"])
        (annotation,) = record["annotations"]
        box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYWH_ABS)
        assert list(box) == pytest.approx(BOX)
        assert (report.kept, report.total) == (1, 1)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_the_export_is_used_for_training_as_it_is(tmp_path, monkeypatch, export):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    export(tmp_path / "my export")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "my export").rglob("*")}
    dataset = DatasetFolder.find(tmp_path / "my export")
    assert dataset.classes == ("mug",)
    for name in dataset.register(f"{export.__name__}"):
        (record,) = DatasetCatalog.get(name)
        assert Image.open(record["file_name"]).size == (100, 80)
        (annotation,) = record["annotations"]
        box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYWH_ABS)
        assert (list(box), annotation["category_id"]) == (pytest.approx(BOX), 0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "my export").rglob("*")} == before


def test_instance_masks_become_objects(tmp_path):
    write(tmp_path / "PNGImages/a.png")
    ids = np.zeros((80, 100), np.uint8)
    ids[20:60, 10:40], ids[0:5, 90:100] = 1, 2
    (tmp_path / "PedMasks").mkdir()
    Image.fromarray(ids).save(tmp_path / "PedMasks/a_mask.png")
    (record,), metadata = load_source(find_sources(tmp_path)[0])
    assert metadata.thing_classes == ["object"]
    assert [annotation["bbox"] for annotation in record["annotations"]] == [BOX, [90, 0, 10, 5]]
    assert (rle_to_bitmask(record["annotations"][0]["segmentation"]) == (ids == 1)).all()


@pytest.mark.parametrize(("values", "is_binary"), [((255,), True), ((1, 2), False), ((1,), False)])
def test_binary_instance_masks_are_reported(tmp_path, caplog, values, is_binary):
    write(tmp_path / "images/a.png")
    ids = np.zeros((80, 100), np.uint8)
    for index, value in enumerate(values):
        ids[20:60, 30 * index : 30 * index + 20] = value
    (tmp_path / "masks").mkdir()
    Image.fromarray(ids).save(tmp_path / "masks/a.png")
    load_source(find_sources(tmp_path)[0])
    assert ("the masks are binary (0 and 255): all objects of an image become one object" in caplog.text) == is_binary


def write_voc_masks(root, ids, classes, palette=None):
    """Write `SegmentationObject` and `SegmentationClass` with a palette, or with VOC's colors as RGB images."""
    for name, array in (("SegmentationObject", ids), ("SegmentationClass", classes)):
        (root / name).mkdir(parents=True)
        image = Image.fromarray(array if palette else voc_palette()[array])
        if palette:
            image.putpalette(voc_palette().reshape(-1).tolist())
        image.save(root / name / "a.png")


def test_masks_of_pascal_voc_belong_to_the_objects_of_the_xml_file(tmp_path):
    write(tmp_path / "JPEGImages/a.jpg")
    write(tmp_path / "Annotations/a.xml", VOC.format(name="a.jpg"))
    ids = np.zeros((80, 100), np.uint8)
    ids[20:60, 10:40], ids[70:75, 90:99], ids[20, 10:40] = 2, 1, 255
    write_voc_masks(tmp_path, ids, np.minimum(ids, 1), palette=True)
    report = ConversionReport()
    (record,), _ = load_source(find_sources(tmp_path)[0], report)
    (annotation,) = record["annotations"]
    assert (rle_to_bitmask(annotation["segmentation"]) == (ids == 2)).all()
    assert report.skipped == {"a mask in SegmentationObject has no object in the XML file": 1}


@pytest.mark.parametrize("palette", [False, True], ids=["RGB", "palette"])
def test_segmentation_masks_of_cvat_become_objects(tmp_path, palette):
    write(tmp_path / "JPEGImages/a.jpg")
    write(tmp_path / "ImageSets/Segmentation/default.txt", "a\n")
    ids = np.zeros((80, 100), np.uint8)
    ids[20:60, 10:40], ids[0:5, 90:100] = 1, 2
    write_voc_masks(tmp_path, ids, ids + (ids != 0).astype(np.uint8), palette)
    colors = [
        "background:0,0,0::",
        *(f"{n}:{','.join(map(str, voc_palette()[i]))}::" for n, i in (("mug", 2), ("pen", 3))),
    ]
    write(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\n" + "\n".join(colors))
    (source,) = find_sources(tmp_path)
    (record,), metadata = load_source(source)
    assert metadata.thing_classes == ["mug", "pen"]
    assert [(a["category_id"], a["bbox"]) for a in record["annotations"]] == [(0, BOX), (1, [90, 0, 10, 5])]


def test_quadrilaterals_of_dota_become_rotated_rectangles(tmp_path):
    write(tmp_path / "images/a.png")
    lines = [
        "10 20 30 30 25 40 5 30 small-vehicle 1",
        "10 20 40 20 45 60 10 60 large vehicle 0",
        "10 20 40 20 40 60 10 60 ship",
    ]
    write(tmp_path / "labelTxt/a.txt", "\n".join(lines))
    report = ConversionReport()
    (record,), metadata = load_source(find_sources(tmp_path)[0], report)
    tilted, uneven, upright = record["annotations"]
    assert metadata.thing_classes == ["large vehicle", "ship", "small-vehicle"]
    assert (tilted["bbox"], tilted["difficult"]) == (
        pytest.approx([17.5, 30, 500**0.5, 125**0.5, -26.565], abs=1e-3),
        1,
    )
    assert uneven["bbox"][2] * uneven["bbox"][3] == pytest.approx(35 * 40)
    assert upright["bbox"] == [25, 40, 30, 40, 0]
    assert report.changed == {"a quadrilateral becomes the smallest rotated rectangle around it": 1}


def test_cvat_masks_and_rotated_boxes_are_read(tmp_path):
    write(tmp_path / "a.jpg")
    mask = '<mask label="pen" rle="1, 2, 3" left="10" top="20" width="3" height="2"></mask>'
    box = '<box label="mug" xtl="10" ytl="20" xbr="40" ybr="60" rotation="30"></box>'
    points = '<points label="mug" points="1,2"></points>'
    image = f'<image id="0" name="a.jpg" width="100" height="80">{mask}{box}{points}</image>'
    write(tmp_path / "annotations.xml", f"<annotations><version>1.1</version>{image}</annotations>")
    report = ConversionReport()
    (record,), metadata = load_source(find_sources(tmp_path)[0], report)
    pen, mug = record["annotations"]
    assert metadata.thing_classes == ["mug", "pen"]
    assert np.argwhere(rle_to_bitmask(pen["segmentation"])).tolist() == [[20, 11], [20, 12]]
    assert (mug["bbox"], mug["bbox_mode"]) == ([25, 40, 30, 40, -30], BoxMode.XYWHA_ABS)
    assert report.skipped == {"CVAT shape 'points' has no area": 1}


def test_labelme_masks_rotations_and_unknown_shapes_are_accounted_for(tmp_path):
    write(tmp_path / "a.jpg")
    file = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).convert("1").save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode()
    shapes = [
        {"label": "mug", "points": [[10, 20], [12, 22]], "shape_type": "mask", "mask": png},
        {"label": "mug", "points": [[10, 20], [30, 30], [25, 40], [5, 30]], "shape_type": "rotation"},
        {"label": "mug", "points": [[1, 1], [2, 2]], "shape_type": "line"},
        {"label": "mug", "points": [[1, 1], [2, 2]], "shape_type": "cuboid"},
    ]
    write(tmp_path / "a.json", {"imagePath": "a.jpg", "imageHeight": 80, "imageWidth": 100, "shapes": shapes})
    report = ConversionReport()
    (record,), _ = load_source(find_sources(tmp_path)[0], report)
    mask, rotated = record["annotations"]
    assert np.argwhere(rle_to_bitmask(mask["segmentation"])).tolist() == [[20, 10], [21, 10], [21, 11]]
    assert rotated["bbox"] == pytest.approx([17.5, 30, 500**0.5, 125**0.5, -26.565], abs=1e-3)
    assert (report.kept, sum(report.skipped.values()), report.needs_decision) == (2, 2, True)


def test_rotated_yolo_boxes_are_recognized_by_their_corners(tmp_path):
    write(tmp_path / "images/train/a.jpg")
    corners = [10, 20, 30, 30, 25, 40, 5, 30]
    values = " ".join(f"{value / (80 if index % 2 else 100):.6f}" for index, value in enumerate(corners))
    write(tmp_path / "labels/train/a.txt", f"0 {values}\n")
    write(tmp_path / "data.yaml", "train: images/train\nval: images/train\nnames: [ship]\n")
    (source,) = find_sources(tmp_path)
    (record,), _ = load_source(source)
    assert record["annotations"][0]["bbox"] == pytest.approx([17.5, 30, 500**0.5, 125**0.5, -26.565], abs=1e-3)


def test_a_folder_that_is_not_understood_is_described(tmp_path):
    write(tmp_path / "scans/a.jpg")
    write(tmp_path / "notes.txt", "hello")
    with pytest.raises(FileNotFoundError, match=r"no dataset found\. Found \./: 1 \.txt; scans/: 1 \.jpg\. Expected"):
        find_sources(tmp_path)


def test_written_yolo_configuration_has_what_ultralytics_requires(tmp_path):
    write_yolo_config(tmp_path, ["mug", "yes"], ["train2017", "val2017"], keypoint_shape=(5, 3))
    content = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert (content["train"], content["val"]) == ("images/train2017", "images/val2017")
    assert (content["names"], content["kpt_shape"], "path" in content) == ({0: "mug", 1: "yes"}, [5, 3], False)
