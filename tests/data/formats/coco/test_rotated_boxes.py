"""Rotated boxes and marks of objects in COCO files, read with and without an index."""

import pytest

from detectory.data.formats import open_coco_index, read_coco
from detectory.data.validation import check_dataset
from detectory.structures import BoxMode

ROTATED = [30, 20, 10, 6, 25]


def read(file, with_index):
    return list(open_coco_index(file, "")) if with_index else read_coco(file, "").records


@pytest.fixture
def rotated(coco):
    first, second, third, _ = coco.content["annotations"]
    first |= {"bbox": ROTATED, "difficult": 1}
    second |= {"attributes": {"rotation": 335.0, "occluded": False}}
    third |= {"attributes": {"rotation": 0.0}}
    for annotation in (first, second, third):
        del annotation["segmentation"]
    return coco


@pytest.mark.parametrize("with_index", [False, True], ids=["records", "index"])
def test_boxes_with_five_values_and_rotations_of_cvat_are_rotated(rotated, with_index):
    records = read(rotated.write(), with_index)
    first, second, third, fourth = (record["annotations"][0] for record in records)
    assert (first["bbox"], first["bbox_mode"], first["difficult"]) == (ROTATED, BoxMode.XYWHA_ABS, 1)
    assert (second["bbox"], second["bbox_mode"]) == ([14, 11, 20, 10, -335], BoxMode.XYWHA_ABS)
    assert [box["bbox"] for box in (third, fourth)] == [[4, 6, 20, 10]] * 2
    assert {box["bbox_mode"] for box in (third, fourth)} == {BoxMode.XYWH_ABS}
    assert "difficult" not in second


@pytest.mark.parametrize("with_index", [False, True], ids=["records", "index"])
def test_a_rotated_box_outside_the_image_is_invalid(rotated, with_index):
    rotated.content["annotations"][0]["bbox"] = [80, 20, 4, 4, 45]
    with pytest.raises(ValueError, match=r"annotation 1: bbox: box .* is outside the image of 64 x 40 pixels"):
        read(rotated.write(), with_index)


def test_rotated_boxes_have_no_problems(rotated):
    assert check_dataset(rotated.write(), rotated.images) == []
