"""The demo's generated dataset: sizes, classes, polygons and reproducibility."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skimage", reason="the demo's background images: pip install 'detectory[demo]'")
pytest.importorskip("sklearn", reason="the demo's background images: pip install 'detectory[demo]'")

from detectory.cli.demo import dataset, shapes


@pytest.fixture(scope="module")
def written_split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    path = dataset.write_split(folder, "val", 24, seed=0, progress=lambda count: None)
    return folder, json.loads(path.read_text())


def test_every_image_has_three_to_eight_objects(written_split):
    counts = np.bincount([a["image_id"] for a in written_split[1]["annotations"]])[1:]
    assert counts.min() >= 3
    assert counts.max() <= 8


def test_objects_are_16_to_120_pixels_and_inside_the_image(written_split):
    boxes = np.array([a["bbox"] for a in written_split[1]["annotations"]])
    assert boxes[:, 2:].min() >= 16
    assert boxes[:, 2:].max() <= 120
    assert boxes[:, :2].min() >= 0
    assert (boxes[:, :2] + boxes[:, 2:]).max() <= dataset.IMAGE_SIZE


def test_all_five_classes_appear(written_split):
    assert {a["category_id"] for a in written_split[1]["annotations"]} == {1, 2, 3, 4, 5}


def test_images_on_disk_have_the_recorded_size(written_split):
    folder, content = written_split
    for record in content["images"]:
        with Image.open(folder / "val" / record["file_name"]) as image:
            assert image.size == (record["width"], record["height"])


def test_polygons_cover_the_recorded_area(written_split):
    for annotation in written_split[1]["annotations"]:
        area = 0.0
        for polygon in annotation["segmentation"]:
            x, y = np.array(polygon).reshape(-1, 2).T
            area += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert area == pytest.approx(annotation["area"], rel=0.15)


def test_same_seed_writes_the_same_files(tmp_path):
    for name in ("a", "b"):
        dataset.write_split(tmp_path / name, "val", 2, seed=3, progress=lambda count: None)
    for file in ("annotations/instances_val.json", "val/000002.jpg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_splits_have_different_backgrounds():
    assert not set(dataset.BACKGROUNDS["train"]) & set(dataset.BACKGROUNDS["val"])


def test_rejects_unknown_shape():
    with pytest.raises(ValueError, match="shape must be one of disc"):
        shapes.outline("blob")
