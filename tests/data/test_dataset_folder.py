"""`DatasetFolder`: splits, classes and ids of folders in any layout."""

import json
import logging

import pytest
from PIL import Image

from detectory.data import DatasetError
from detectory.data.dataset_folder import DatasetFolder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))


def write_labels(folder, labels):
    """Write an image and a YOLO label file per entry of `labels`."""
    for name, text in labels.items():
        image = folder.parent.parent / "images" / folder.name / f"{name}.jpg"
        for path in (image, folder / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 80)).save(image)
        (folder / f"{name}.txt").write_text(text)


@pytest.fixture
def yolo(tmp_path):
    """Return a YOLO folder with the classes cat and dog, and the splits train and val."""
    root = tmp_path / "yolo"
    write_labels(root / "labels/train", {"a": "1 0.5 0.5 0.2 0.2\n", "b": "0 0.5 0.5 0.2 0.2\n"})
    write_labels(root / "labels/val", {"c": "1 0.5 0.5 0.2 0.2\n"})
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return root


def content_of(split):
    return json.loads(split.annotations.read_text())


def test_yolo_class_ids_are_kept(yolo):
    dataset = DatasetFolder.find(yolo)
    assert (dataset.classes, dataset.category_ids, dataset.num_keypoints) == (("cat", "dog"), (0, 1), 0)
    assert [annotation["category_id"] for annotation in content_of(dataset.train)["annotations"]] == [1, 0]
    assert dataset.train.images == yolo / "images/train"


def test_the_configuration_file_can_be_passed_instead_of_the_folder(yolo):
    assert DatasetFolder.find(yolo / "data.yaml").classes == ("cat", "dog")


def test_a_dataset_is_converted_again_only_after_a_change(yolo):
    first = DatasetFolder.find(yolo).train.annotations
    written = first.stat().st_mtime_ns
    assert DatasetFolder.find(yolo).train.annotations == first
    assert first.stat().st_mtime_ns == written
    (yolo / "labels/train/a.txt").write_text("0 0.5 0.5 0.5 0.5\n0 0.25 0.5 0.5 0.5\n")
    assert len(content_of(DatasetFolder.find(yolo).train)["annotations"]) == 3


def test_without_a_validation_split_a_part_of_the_images_is_held_out(yolo, caplog):
    (yolo / "data.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    write_labels(yolo / "labels/train", {f"{i}": f"{i % 2} 0.5 0.5 0.2 0.2\n" for i in range(18)})
    with caplog.at_level(logging.WARNING):
        dataset = DatasetFolder.find(yolo)
    assert "has no validation split. Validation uses 4 of 20 images, chosen at random by class" in caplog.text
    train, val = content_of(dataset.train), content_of(dataset.val)
    names = [{image["file_name"] for image in content["images"]} for content in (train, val)]
    assert (len(names[0]), len(names[1]), names[0] & names[1]) == (16, 4, set())
    assert {annotation["category_id"] for annotation in val["annotations"]} == {0, 1}
    assert DatasetFolder.find(yolo).val == dataset.val


def test_evaluation_uses_all_images_of_a_dataset_without_splits(tmp_path, coco):
    whole = DatasetFolder.find(coco.file.parent, needs_train=False)
    assert whole.train == whole.val
    assert (whole.val.annotations, whole.category_ids) == (coco.file, (3, 7))


def test_a_coco_file_without_splits_keeps_its_ids(coco):
    dataset = DatasetFolder.find(coco.file.parent)
    assert (dataset.classes, dataset.category_ids) == (("dog", "cat"), (3, 7))
    ids = {image["id"] for split in (dataset.train, dataset.val) for image in content_of(split)["images"]}
    assert ids == {1, 2, 3, 4}
    assert (dataset.val.images / content_of(dataset.val)["images"][0]["file_name"]).is_file()


def test_the_test_split_replaces_a_missing_validation_split(yolo, caplog):
    (yolo / "data.yaml").write_text("train: images/train\ntest: images/val\nnames: [cat, dog]\n")
    with caplog.at_level(logging.WARNING):
        dataset = DatasetFolder.find(yolo)
    assert "the split 'val' does not exist, the split 'test' is used for validation" in caplog.text
    assert [image["file_name"] for image in content_of(dataset.val)["images"]] == ["c.jpg"]


@pytest.mark.parametrize("split", ["dev", "train2"])
def test_a_missing_split_is_named(yolo, split):
    with pytest.raises(FileNotFoundError, match=f"no annotations for the split '{split}', found only .*yolo, train"):
        DatasetFolder.find(yolo, split)


def test_invalid_labels_are_reported_with_file_and_line(yolo):
    (yolo / "labels/val/c.txt").write_text("7 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DatasetError, match=r"c\.txt: line 1: class: must be an integer in \[0, 2\), got 7"):
        DatasetFolder.find(yolo)
