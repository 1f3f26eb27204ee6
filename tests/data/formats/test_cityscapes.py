import json

import numpy as np
import pytest
from PIL import Image

from detectory.data import MetadataCatalog
from detectory.data.builtin.prepare import create_cityscapes_panoptic, create_cityscapes_train_ids
from detectory.data.formats import (
    load_cityscapes_instances,
    load_cityscapes_panoptic,
    load_cityscapes_semantic,
    mask_to_polygons,
    read_panoptic_png,
)
from detectory.structures import polygons_to_bitmask


@pytest.fixture
def city(tmp_path):
    """One photo: road below, two cars, one of them in two parts, and a group of persons."""
    photos, labels = tmp_path / "leftImg8bit/val/bonn", tmp_path / "gtFine/val/bonn"
    photos.mkdir(parents=True), labels.mkdir(parents=True)
    ids = np.zeros((20, 30), np.int32)
    ids[10:] = 7
    ids[2:8, 2:8] = 26001
    ids[3:6, 12:16] = ids[3:6, 20:22] = 26002
    ids[15:18, 3:9] = 24
    prefix = labels / "bonn_000_gtFine"
    Image.fromarray(ids.astype(np.uint16)).save(f"{prefix}_instanceIds.png")
    Image.fromarray(np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)).save(f"{prefix}_labelIds.png")
    (labels / "bonn_000_gtFine_polygons.json").write_text(json.dumps({"imgHeight": 20, "imgWidth": 30}))
    Image.new("RGB", (30, 20)).save(photos / "bonn_000_leftImg8bit.png")
    return tmp_path, ids


def folders(root):
    return str(root / "leftImg8bit/val"), str(root / "gtFine/val")


def test_instances_have_boxes_masks_and_groups(city):
    root, _ = city
    (record,) = load_cityscapes_instances(*folders(root))
    found = {tuple(a["bbox"]): (a["category_id"], a["iscrowd"], len(a["segmentation"])) for a in record["annotations"]}
    assert found == {(2, 2, 8, 8): (2, 0, 1), (12, 3, 22, 6): (2, 0, 2), (3, 15, 9, 18): (0, 1, 1)}
    assert record["image_id"] == "bonn_000_leftImg8bit"


def test_masks_may_stay_run_length_codes(city):
    root, _ = city
    (record,) = load_cityscapes_instances(*folders(root), to_polygons=False)
    assert all(annotation["segmentation"]["size"] == [20, 30] for annotation in record["annotations"])


def test_semantic_labels_must_be_prepared(city):
    root, ids = city
    with pytest.raises(FileNotFoundError, match="Create it with create_cityscapes_train_ids"):
        load_cityscapes_semantic(*folders(root))
    assert create_cityscapes_train_ids(root) == 1
    (record,) = load_cityscapes_semantic(*folders(root))
    labels = np.asarray(Image.open(record["sem_seg_file_name"]))
    assert set(labels[ids >= 26000]) == {13}
    assert set(labels[ids == 0]) == {255}


def test_panoptic_files_can_be_made_and_read(city):
    root, ids = city
    assert create_cityscapes_panoptic(root, "val") == 1
    segments = root / "gtFine/cityscapes_panoptic_val"
    metadata = MetadataCatalog.get("cityscapes_fine_panoptic_val").as_dict()
    (record,) = load_cityscapes_panoptic(folders(root)[0], str(segments), f"{segments}.json", metadata)
    assert sorted(segment["category_id"] for segment in record["segments_info"]) == [0, 11, 13, 13]
    np.testing.assert_array_equal(read_panoptic_png(record["pan_seg_file_name"]), ids)


@pytest.mark.parametrize("seed", range(6))
def test_outlines_rasterise_to_the_filled_mask(seed):
    mask = np.random.default_rng(seed).random((12, 16)) < 0.5
    polygons = mask_to_polygons(mask)
    covered = np.zeros_like(mask)
    for polygon in polygons:
        covered |= np.asarray(polygons_to_bitmask([np.array(polygon)], 12, 16)).astype(bool)
    assert (covered | ~mask).all()


def test_parts_that_touch_by_a_corner_are_apart():
    corners = [{(x, y) for x, y in np.reshape(polygon, (-1, 2))} for polygon in mask_to_polygons(np.eye(2))]
    assert len(corners) == 2
    assert {(0, 0), (1, 0), (1, 1), (0, 1)} in corners


def test_a_ring_keeps_its_outer_border_only():
    ring = np.ones((5, 5))
    ring[2, 2] = 0
    (polygon,) = mask_to_polygons(ring)
    assert len(polygon) == 8
    assert mask_to_polygons(np.zeros((3, 3))) == []
