"""Every rule of `check_dataset` on a small dataset that violates it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectory.data.problems import DatasetError
from detectory.data.sources import find_sources, load_source
from detectory.data.validation import RULES, check_dataset, group_problems

WIDTH, HEIGHT = 96, 72
BOXES = {1: [5, 40, 28, 24], 2: [2, 44, 40, 12], 3: [11, 30, 28, 24], 4: [50, 29, 40, 12]}


def rectangle(box):
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


class Dataset:
    """Two images with two objects each; change `content` and call `rules`."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "instances_train.json"
        (folder / "train").mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        images = []
        for number in (1, 2):
            Image.fromarray(noise).save(folder / "train" / f"{number}.jpg")
            images.append({"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT})
        self.annotations = [
            {
                "id": number,
                "image_id": (number + 1) // 2,
                "category_id": 2 - number % 2,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "segmentation": rectangle(box),
            }
            for number, box in BOXES.items()
        ]
        self.categories = [{"id": 1, "name": "mug"}, {"id": 2, "name": "pen"}]
        self.content = {"images": images, "annotations": self.annotations, "categories": self.categories}

    def problems(self):
        self.file.write_text(json.dumps(self.content))
        return check_dataset(self.file, self.folder / "train")

    def rules(self):
        return {report.rule.name: len(report.problems) for report in group_problems(self.problems())}

    def is_loadable(self):
        (source,) = find_sources(self.file, self.folder / "train")
        try:
            load_source(source)
        except DatasetError:
            return False
        return True


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path)


def without_masks(dataset):
    for annotation in dataset.annotations:
        annotation.update(segmentation=[])


def with_corners(dataset):
    for annotation in dataset.annotations:
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x, y, x + w, y + h]


def with_corners_only(dataset):
    with_corners(dataset)
    for annotation in dataset.annotations:
        del annotation["segmentation"], annotation["area"]
        x, y, right, bottom = annotation["bbox"]
        annotation["bbox"] = [x + 40, y, right + 40, bottom] if right < 55 else annotation["bbox"]


def with_corners_and_areas(dataset):
    with_corners(dataset)
    without_masks(dataset)


def with_normalized_boxes(dataset):
    without_masks(dataset)
    for annotation in dataset.annotations:
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]


def with_normalized_polygons(dataset):
    for annotation in dataset.annotations:
        (polygon,) = annotation["segmentation"]
        annotation["segmentation"] = [[v / (HEIGHT if at % 2 else WIDTH) for at, v in enumerate(polygon)]]


def first(**values):
    return lambda dataset: dataset.annotations[0].update(values)


def every(**values):
    return lambda dataset: [annotation.update(values) for annotation in dataset.annotations]


def every_without(key):
    return lambda dataset: [annotation.pop(key) for annotation in dataset.annotations]


def copied(dataset):
    dataset.annotations += [{**annotation, "id": annotation["id"] + 100} for annotation in dataset.annotations]


def with_category_ids(ids):
    def change(dataset):
        for record in [*dataset.categories, *dataset.annotations]:
            key = "category_id" if "image_id" in record else "id"
            record[key] = ids[record[key] - 1]

    return change


def with_keypoints(named, lengths):
    def change(dataset):
        if named:
            dataset.categories[0]["keypoints"] = [f"point {number}" for number in range(named)]
        for annotation, length in zip(dataset.annotations[::2], lengths, strict=True):
            annotation.update(keypoints=[20, 50, 2] * length, num_keypoints=length)

    return change


OUTSIDE = rectangle([500, 500, 100, 100])
CASES = {
    "corner boxes with masks": (with_corners, {"corner-boxes": 4}),
    "corner boxes with areas": (with_corners_and_areas, {"corner-boxes": 4}),
    "corner boxes without masks": (with_corners_only, {"corner-boxes": 4}),
    "one box outside": (first(bbox=[200, 2, 5, 5]), {"box-outside-image": 1}),
    "one box partly outside": (first(bbox=[-9, 40, 42, 24]), {"box-partly-outside": 1}),
    "box exceeds by a fraction": (first(bbox=[-0.5, 40, 33.5, 24]), {}),
    "one box larger than the image": (first(bbox=[0, 0, 9999, 9999]), {"box-larger-than-image": 1}),
    "one empty box": (first(bbox=[10, 50, 0, 20]), {"empty-box": 1}),
    "all boxes empty": (every(bbox=[10, 50, 0, 20]), {"empty-box": 4, "no-objects": 1}),
    "negative box": (first(bbox=[10, 10, -1, 20]), {"invalid-box": 1}),
    "normalized boxes": (with_normalized_boxes, {"normalized-coordinates": 4}),
    "normalized polygons": (with_normalized_polygons, {"normalized-coordinates": 4}),
    "polygon outside": (first(segmentation=OUTSIDE), {"polygon-outside-image": 1}),
    "polygon partly outside": (first(segmentation=rectangle([5, 40, 28, 40])), {"polygon-partly-outside": 1}),
    "polygon elsewhere": (first(segmentation=rectangle([60, 5, 28, 24])), {"polygon-outside-box": 1}),
    "polygon far from its box": (first(segmentation=rectangle([5, 40, 80, 24])), {"polygon-box-mismatch": 1}),
    "polygon with two points": (first(segmentation=[[1, 2, 3, 4]]), {"invalid-segmentation": 1}),
    "equal names": (lambda d: d.categories.append({"id": 3, "name": "mug"}), {"duplicate-category-name": 1}),
    "equal annotations": (copied, {"duplicate-annotation": 4}),
    "equal annotation ids": (every(id=7), {"duplicate-id": 3}),
    "missing annotation ids": (every_without("id"), {"missing-annotation-id": 4}),
    "null annotation ids": (every(id=None), {"missing-annotation-id": 4}),
    "text areas": (every(area="672"), {"invalid-area": 4}),
    "negative areas": (every(area=-5), {"invalid-area": 4}),
    "text in num_keypoints": (first(num_keypoints="x"), {"invalid-value": 1}),
    "all crowds": (every(iscrowd=1), {"no-objects": 1}),
    "no annotations": (lambda d: d.annotations.clear(), {"no-objects": 1}),
    "negative category id": (with_category_ids([-1, 0]), {"category-id": 1}),
    "text category ids": (with_category_ids(["a", "b"]), {"category-id": 2}),
    "unknown category": (first(category_id=9), {"unknown-id": 1}),
    "too few keypoints for the category": (with_keypoints(3, [3, 2]), {"keypoint-count": 1}),
    "different numbers of keypoints": (with_keypoints(0, [3, 2]), {"keypoint-count": 1}),
    "keypoints of the category": (with_keypoints(3, [3, 3]), {}),
    "implausible width": (lambda d: d.content["images"][0].update(width=10**9), {"implausible-size": 1}),
    "size of another image": (lambda d: d.content["images"][0].update(width=100), {"image-size": 1}),
    "missing image": (lambda d: (d.folder / "train/1.jpg").unlink(), {"missing-image": 1}),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_reports_rules_with_counts(dataset, change, expected):
    change(dataset)
    assert dataset.rules() == expected


@pytest.mark.parametrize("change", [change for change, _ in CASES.values()], ids=CASES)
def test_annotations_that_the_reader_rejects_are_errors(dataset, change):
    change(dataset)
    severities = {RULES[name].severity for name in dataset.rules()}
    assert dataset.is_loadable() or "error" in severities


def test_test_sets_need_no_objects(dataset):
    dataset.annotations.clear()
    dataset.file = dataset.folder / "instances_test.json"
    assert dataset.rules() == {}


def test_a_few_boxes_outside_are_not_corner_boxes(dataset):
    without_masks(dataset)
    for annotation in dataset.annotations:
        del annotation["area"]
    dataset.annotations[3]["bbox"] = [60, 29, 50, 12]
    assert dataset.rules() == {"box-partly-outside": 1}


def test_problems_have_file_id_field_and_value(dataset):
    dataset.annotations[1]["area"] = "big"
    (problem,) = dataset.problems()
    assert (problem.file, problem.id, problem.field, problem.value) == (
        str(dataset.file),
        "annotation 2",
        "area",
        "big",
    )
    assert str(problem).endswith("annotation 2: area: must be a finite number of at least 0, got 'big'")


def test_message_of_an_implausible_size(dataset):
    dataset.content["images"][0]["width"] = 10**9
    (problem,) = dataset.problems()
    assert problem.message == "must be at most 1000000 pixels, got 1000000000: the size is implausible"


def test_masks_as_rle_are_compared_with_the_box(dataset):
    rle = {"size": [HEIGHT, WIDTH], "counts": [0, 30, HEIGHT * WIDTH - 30]}  # the first column
    dataset.annotations[0]["segmentation"] = rle
    assert dataset.rules() == {"polygon-outside-box": 1}


def test_table_in_the_documentation_lists_all_rules():
    page = (Path(__file__).parents[3] / "docs/tasks/data.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(rule.name, rule.severity, rule.meaning) for rule in RULES.values()]
