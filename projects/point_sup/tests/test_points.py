"""Preparation, reading and augmentation of labeled points."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data import transforms as T
from detectory.projects import point_sup
from detectory.projects.point_sup import detectron2 as adapter
from detectory.projects.point_sup.datasets import COCO_POINTS
from detectory.projects.point_sup.prepare import main
from detectory.structures import BoxMode


def coco_file(folder, annotations):
    images = [{"id": 1, "file_name": "a.png", "height": 60, "width": 80}]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "thing"}]}
    path = folder / "instances.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def annotation(number=1, **fields):
    square = [[10, 5, 30, 5, 30, 45, 10, 45]]  # the left half of the box
    box = {"bbox": [10, 5, 40, 40], "area": 800, "iscrowd": 0, "segmentation": square}
    return {"id": number, "image_id": 1, "category_id": 3, **box, **fields}


def test_command_replaces_masks_by_points_that_the_dataset_reads(tmp_path, capsys):
    file = coco_file(tmp_path, [annotation(number) for number in range(1, 21)])
    main([str(file), "--points", "10", "--versions", "2"])
    names = [f"instances_n10_v{version}_without_masks.json" for version in (1, 2)]
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    first, second = (json.loads((tmp_path / name).read_text()) for name in names)
    assert first["annotations"] != second["annotations"]
    assert "segmentation" not in first["annotations"][0]
    points = np.array([one["point_coords"] for one in first["annotations"]])
    labels = np.array([one["point_labels"] for one in first["annotations"]])
    assert points.shape == (20, 10, 2)
    assert (points >= [10, 5]).all()
    assert (points < [50, 45]).all()
    assert (labels == (points[..., 0] < 30)).all()
    records = point_sup.load_coco_points(str(tmp_path / names[0]), str(tmp_path))
    assert records[0]["annotations"][3]["point_coords"] == points[3].tolist()


def test_run_length_encoded_masks_are_read():
    rle = {"size": [60, 80], "counts": [60 * 20, 60 * 20, 60 * 40]}  # columns 20 to 39
    dataset = {"images": [{"id": 1, "height": 60, "width": 80}], "annotations": [annotation(segmentation=rle)]}
    result = point_sup.add_points(dataset, 50, np.random.RandomState(1))["annotations"][0]
    assert result["point_labels"] == [int(20 <= x < 40) for x, _ in result["point_coords"]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"segmentation": []}, "annotation 1: 'segmentation' must not be empty"),
        ({"image_id": 9}, "annotation 1: no image has the id 9"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, r"annotation 1: segmentation: mask must be \(60, 80\)"),
    ],
)
def test_command_names_invalid_annotations(tmp_path, capsys, fields, message):
    with pytest.raises(SystemExit):
        main([str(coco_file(tmp_path, [annotation(**fields)]))])
    assert re.search(message, capsys.readouterr().err)


def record(folder, **fields):
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(folder / "a.png")
    points = {"point_coords": [[10, 5], [39, 44], [20, 30], [79, 59]], "point_labels": [0, 1, 0, 1]}
    box = {"bbox": [10, 5, 30, 40], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, "iscrowd": 0}
    one = {**box, **points, **fields}
    annotations = [one, {**one, "iscrowd": 1}]
    return {"file_name": str(folder / "a.png"), "height": 60, "width": 80, "annotations": annotations}


def mapped(mapper_class, folder, augmentations, sample_points=0, **fields):
    mapper = mapper_class(True, augmentations=augmentations, image_format="BGR", sample_points=sample_points)
    return mapper(record(folder, **fields))["instances"]


SCALED_AND_MIRRORED = [T.ResizeShortestEdge(90, 200), T.RandomFlip(prob=1.0)]


def test_points_are_centres_of_pixels_and_follow_the_image(tmp_path):
    instances = mapped(point_sup.PointSupDatasetMapper, tmp_path, SCALED_AND_MIRRORED)
    assert instances.gt_point_coords.tolist() == [[[104.25, 8.25], [60.75, 66.75], [89.25, 45.75], [0.75, 89.25]]]
    assert instances.gt_point_labels.tolist() == [[0, 1, 0, 1]]
    assert instances.gt_boxes.tensor.tolist() == [[60, 7.5, 105, 67.5]]


def test_adapter_truncates_boxes_of_integers(tmp_path):
    instances = mapped(adapter.PointSupDatasetMapper, tmp_path, SCALED_AND_MIRRORED)
    assert instances.gt_boxes.tensor.tolist() == [[60, 7, 105, 67]]
    instances = mapped(adapter.PointSupDatasetMapper, tmp_path, SCALED_AND_MIRRORED, bbox=[10.0, 5, 30, 40])
    assert instances.gt_boxes.tensor.tolist() == [[60, 7.5, 105, 67.5]]


def test_points_outside_the_image_are_ignored(tmp_path):
    crop = T.CropTransform(0, 0, 30, 60, 80, 60)
    instances = mapped(point_sup.PointSupDatasetMapper, tmp_path, [crop])
    assert instances.gt_point_labels.tolist() == [[0, -1, 0, -1]]


def test_point_augmentation_draws_points_with_their_labels(tmp_path):
    drawn = [mapped(point_sup.PointSupDatasetMapper, tmp_path, [], sample_points=2) for _ in range(8)]
    every = {(10.5, 5.5): 0, (39.5, 44.5): 1, (20.5, 30.5): 0, (79.5, 59.5): 1}
    chosen = set()
    for instances in drawn:
        points = [tuple(point) for point in instances.gt_point_coords[0].tolist()]
        assert len(set(points)) == 2
        assert [every[point] for point in points] == instances.gt_point_labels[0].tolist()
        chosen.add(frozenset(points))
    assert len(chosen) > 1


@pytest.mark.parametrize(
    ("fields", "sample_points", "message"),
    [
        ({"point_labels": [1]}, 0, "a.png: point_labels must be 4 values"),
        ({"point_coords": [[float("nan"), 1]] * 4}, 0, "a.png: point_coords must be finite"),
        ({}, 5, "a.png: point_coords: sample_points must be at most 4, got 5"),
    ],
)
def test_mapper_names_invalid_points(tmp_path, fields, sample_points, message):
    with pytest.raises(ValueError, match=message):
        mapped(point_sup.PointSupDatasetMapper, tmp_path, [], sample_points, **fields)


def test_coco_with_ten_points_is_registered():
    assert COCO_POINTS in DatasetCatalog.list()
    assert MetadataCatalog.get(COCO_POINTS).json_file.endswith("instances_train2017_n10_v1_without_masks.json")
    assert len(MetadataCatalog.get(COCO_POINTS).thing_classes) == 80
