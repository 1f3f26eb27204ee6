"""Random datasets are written in one format, read, and compared with the original."""

import numpy as np
import pytest
from PIL import Image
from tests.data.formats import tool_writers

from detectory.data.formats import (
    ConversionReport,
    write_coco,
    write_dota,
    write_labelme,
    write_voc,
    write_yolo,
    write_yolo_config,
)
from detectory.data.formats.annotations import mask_annotation
from detectory.data.formats.coco.rle import encode_mask
from detectory.data.formats.yolo.writer import yolo_label_type
from detectory.data.sources import find_sources, load_source
from detectory.structures import BoxMode, polygons_to_bitmask, rle_to_bitmask

NAMES = ["cat", "dog", "cow"]
COUNTS = [pytest.param(25, id="quick"), pytest.param(500, id="slow", marks=pytest.mark.slow)]


def random_mask(generator, height, width):
    """Return a mask of one to three rectangles and, in half of the cases, a hole in the first one."""
    mask = np.zeros((height, width), bool)
    for _ in range(generator.integers(1, 4)):
        x, y = generator.integers(0, width - 12), generator.integers(0, height - 12)
        w, h = generator.integers(6, 12, 2)
        mask[y : y + h, x : x + w] = True
    if generator.random() < 0.5:
        mask[y + 2 : y + h - 2, x + 2 : x + w - 2] = False
    return mask


def random_annotation(generator, height, width, label):
    """Return an object with a box, a mask, keypoints or a rotated box."""
    category = int(generator.integers(len(NAMES)))
    if label == "mask":
        mask = random_mask(generator, height, width)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
        annotation = {"bbox": [float(value) for value in box], "segmentation": encode_mask(mask)}
    elif label == "rotated":
        box = [width / 2, height / 2, *generator.uniform(5, 12, 2), generator.uniform(-170, 170)]
        return {"bbox": [float(v) for v in box], "bbox_mode": BoxMode.XYWHA_ABS, "category_id": category, "iscrowd": 0}
    else:
        x, y = generator.uniform(0, (width - 15, height - 15))
        annotation = {"bbox": [float(value) for value in (x, y, *generator.uniform(3, 14, 2))]}
    if label == "keypoints":
        points = np.column_stack([generator.uniform(1, (width, height), (4, 2)), generator.integers(1, 3, 4)])
        annotation["keypoints"] = points.reshape(-1).tolist()
    return {**annotation, "bbox_mode": BoxMode.XYWH_ABS, "category_id": category, "iscrowd": 0}


def random_records(generator, folder, label):
    """Write up to three images and return their records; every class occurs."""
    records = []
    for index in range(int(generator.integers(1, 4))):
        height, width = (int(side) for side in generator.integers(30, 60, 2))
        file = folder / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (width, height)).save(file)
        annotations = [random_annotation(generator, height, width, label) for _ in range(generator.integers(1, 4))]
        if index == 0:
            annotations += [{**annotations[0], "category_id": category} for category in range(len(NAMES))]
        size = {"height": height, "width": width}
        records.append({"file_name": str(file), "image_id": index + 1, **size, "annotations": annotations})
    return records


def write(target, records, folder, report):
    """Write the records in a format and return the folder to read."""
    files = [record["file_name"].rsplit("/", 1)[-1] for record in records]
    if target == "coco":
        (folder / "annotations").mkdir()
        write_coco(records, NAMES, folder / "annotations/instances_train.json", folder / "images/train")
        report.keep(sum(len(record["annotations"]) for record in records))
    elif target == "yolo":
        shape, is_rotated = yolo_label_type(records)
        options = {"keypoint_shape": shape, "is_rotated": is_rotated}
        write_yolo(records, files, folder / "labels/train", report=report, **options)
        write_yolo_config(folder, NAMES, ["train"], **options)
    elif target == "dota":
        write_dota(records, files, NAMES, folder / "labelTxt", report)
        (folder / "images/train").rename(folder / "flat")
        (folder / "images").rmdir()
        (folder / "flat").rename(folder / "images")
    elif target == "labelme":
        write_labelme(records, files, NAMES, folder / "images/train", report)
        return folder / "images/train"
    else:
        (folder / "images/train").rename(folder / "JPEGImages")
        write_voc(records, files, NAMES, folder, "train", report)
    return folder


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    ("write_files", "labels"),
    [
        (tool_writers.write_cvat, ["box", "mask", "rotated", "keypoints"]),
        (tool_writers.write_via, ["box"]),
        (tool_writers.write_datumaro, ["box", "mask", "rotated", "keypoints"]),
        (tool_writers.write_csv, ["box"]),
        (tool_writers.write_instance_masks, ["mask"]),
    ],
    ids=["cvat", "via", "datumaro", "csv", "masks"],
)
def test_what_tools_write_is_read_without_loss(tmp_path, write_files, labels, count):
    generator = np.random.default_rng(count)
    for trial in range(count):
        label = labels[trial % len(labels)]
        folder, report = tmp_path / f"{trial}", ConversionReport()
        records = random_records(generator, folder / "images/train", label)
        if write_files is tool_writers.write_instance_masks:
            records = [visible(record) for record in records]
        write_files(records, NAMES, folder)
        (source,) = find_sources(root_of(folder))
        result, metadata = load_source(source, report)
        assert report.skipped == {}
        assert report.kept == sum(len(record["annotations"]) for record in records)
        for before, after in zip(records, result, strict=True):
            assert Image.open(after["file_name"]).size == (before["width"], before["height"])
            for first, second in zip(before["annotations"], after["annotations"], strict=True):
                name = metadata.thing_classes[second["category_id"]]
                assert name == (NAMES[first["category_id"]] if len(metadata.thing_classes) > 1 else "object")
                assert_equal(first, second, before, write_files.__name__)


def root_of(folder):
    """Return the folder with the annotations: the image folder for tools that write next to the images."""
    images = folder / "images/train"
    return images if any(images.glob("*.json")) or any(images.glob("*.csv")) else folder


def visible(record):
    """Return a record with the visible parts of the masks, and the boxes around them."""
    ids = np.zeros((record["height"], record["width"]), np.uint8)
    for number, annotation in enumerate(record["annotations"], start=1):
        ids[mask_of(annotation, record)] = number
    return {**record, "annotations": [{**mask_annotation(0, ids == n), "iscrowd": 0} for n in np.unique(ids[ids > 0])]}


def mask_of(annotation, record):
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, dict):
        return rle_to_bitmask(segmentation) != 0
    return polygons_to_bitmask(segmentation, record["height"], record["width"])


def assert_equal(before, after, record, target):
    assert after["bbox_mode"] == before["bbox_mode"] or before["bbox_mode"] != BoxMode.XYWHA_ABS
    box = after["bbox"] if before["bbox_mode"] == BoxMode.XYWHA_ABS else as_xywh(after)
    if target == "dota" and len(before["bbox"]) == 4:
        assert after["bbox"][4] == 0
    difference = np.abs(np.subtract(box, before["bbox"]))
    if len(box) == 5:  # angles are periodic
        difference[4] = min(difference[4] % 360, 360 - difference[4] % 360)
    # A skeleton of CVAT has no box.
    assert difference.max() < 0.02 or (target == "write_cvat" and "keypoints" in before)
    if "segmentation" in before and target != "voc":
        assert np.mean(mask_of(after, record) != mask_of(before, record)) < 0.002
    if "keypoints" in before:
        np.testing.assert_allclose(after["keypoints"], before["keypoints"], atol=0.01)


def as_xywh(annotation):
    return BoxMode.convert(list(annotation["bbox"]), annotation["bbox_mode"], BoxMode.XYWH_ABS)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    ("target", "labels"),
    [
        ("coco", ["box", "mask", "keypoints", "rotated"]),
        ("dota", ["box", "rotated"]),
        ("yolo", ["box", "mask", "keypoints", "rotated"]),
        ("labelme", ["box", "mask", "rotated"]),
        ("voc", ["box", "mask"]),
    ],
    ids=["coco", "dota", "yolo", "labelme", "voc"],
)
def test_what_is_written_is_read_without_loss(tmp_path, target, labels, count):
    generator = np.random.default_rng(count)
    for trial in range(count):
        label = labels[trial % len(labels)]
        folder, report = tmp_path / f"{trial}", ConversionReport()
        records = random_records(generator, folder / "images/train", label)
        read_report = ConversionReport()
        (source,) = find_sources(write(target, records, folder, report))
        result, metadata = load_source(source, read_report)
        assert sorted(metadata.thing_classes) == sorted(NAMES)
        assert report.kept == read_report.kept == sum(len(record["annotations"]) for record in records)
        for before, after in zip(records, result, strict=True):
            for first, second in zip(before["annotations"], after["annotations"], strict=True):
                assert metadata.thing_classes[second["category_id"]] == NAMES[first["category_id"]]
                assert_equal(first, second, before, target)
