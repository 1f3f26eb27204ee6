"""Datasets as annotation tools export them: each is read completely, or the skipped objects are reported."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from detectory.cli import main
from detectory.data.dataset_folder import DatasetFolder
from detectory.data.sources import find_sources, load_source
from detectory.data.validation import check_dataset
from detectory.structures import polygons_to_bitmask, rle_to_bitmask


@pytest.fixture
def case(test_data, tmp_path):
    """Return a function that copies a case to a temporary folder and returns its folder."""

    def copy(name, part="ds"):
        source = test_data.parent / "cases" / name / part
        if not source.exists():
            pytest.skip(f"{source} is missing")
        return shutil.copytree(source, tmp_path / part)

    return copy


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["data", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def convert(folder, output, *options):
    run("convert", folder, output, *options)
    files = sorted((output / "annotations").glob("*.json"))
    return {file.stem.removeprefix("instances_"): json.loads(file.read_text()) for file in files}


def mask_of(annotation):
    return rle_to_bitmask(annotation["segmentation"])


def test_json_with_a_byte_order_mark_is_read_by_check_and_training(case):
    folder = case("json-with-bom")
    assert check_dataset(folder) == []
    assert DatasetFolder.find(folder).classes == ("mug", "pen")


def test_captions_next_to_instances_are_ignored(case, tmp_path):
    folder = case("captions-in-annotations")
    assert check_dataset(folder) == []
    assert sorted(convert(folder, tmp_path / "out")) == ["train", "val"]


@pytest.mark.parametrize(
    ("part", "image", "label"),
    [("a", "renamed.jpg", "mug"), ("b", "a.png", "mug"), ("c", "a.jpg", "mug"), ("d", "a.jpg", "杯")],
    ids=["renamed image", "name without suffix", "size of zero", "GBK"],
)
def test_voc_files_name_their_image_and_use_any_encoding(case, part, image, label):
    folder = case("voc-file-names", part)
    assert check_dataset(folder) == []
    (record,), metadata = load_source(find_sources(folder)[0])
    assert record["file_name"] == str(folder / "JPEGImages" / image)
    assert (record["width"], record["height"], metadata.thing_classes) == (100, 80, [label])


def test_roboflow_coco_export_is_found_per_split(case, tmp_path):
    folder = case("roboflow-coco")
    assert check_dataset(folder) == []
    assert {source.split for source in find_sources(folder)} == {"train", "val", "test"}
    contents = convert(folder, tmp_path / "out")
    assert {split: len(content["images"]) for split, content in contents.items()} == {"train": 6, "val": 3, "test": 2}
    assert DatasetFolder.find(folder).val.images == folder / "valid"


def test_cvat_yolo_export_is_found_by_its_configuration(case, tmp_path):
    folder = case("cvat-yolo11")
    assert check_dataset(folder) == []
    content = convert(folder, tmp_path / "out")["train"]
    assert [category["name"] for category in content["categories"]] == ["mug", "pen"]
    assert (len(content["images"]), len(content["annotations"])) == (6, 12)


@pytest.mark.parametrize("part", ["", "labels"])
def test_labelme_labels_beside_images_find_their_images(case, part):
    folder = case("labelme-labels-beside-images")
    assert check_dataset(folder / part) == []
    (record,), _ = load_source(find_sources(folder / part)[0])
    assert record["file_name"] == str(folder / "images" / "a.jpg")
    assert record["annotations"][0]["bbox"] == [10, 10, 40, 30]


def test_labelme_masks_of_ai_tools_become_objects(case, tmp_path):
    folder = case("labelme-aimask")
    assert check_dataset(folder) == []
    content = convert(folder, tmp_path / "out")["train"]
    assert len(content["annotations"]) == 12
    mask = next(a for a in content["annotations"] if isinstance(a["segmentation"], dict))
    assert mask["bbox"] == [5, 40, 29, 25]


@pytest.mark.parametrize(("part", "count"), [("ds", 5), ("ds_4x3", 4)])
def test_yolo_pose_labels_are_boxes_with_keypoints(case, tmp_path, part, count):
    folder = case("yolo-pose-as-polygon", part)
    assert check_dataset(folder) == []
    content = convert(folder, tmp_path / "out")["train"]
    (annotation,) = content["annotations"]
    assert len(content["categories"][0]["keypoints"]) == count
    assert annotation["bbox"] == [30, 24, 40, 32]
    assert annotation["num_keypoints"] == count
    assert "segmentation" not in annotation
    assert annotation["keypoints"][:2] == pytest.approx([0.31 * 100 - 0.5, 0.31 * 80 - 0.5])


@pytest.mark.parametrize("target", ["yolo", "labelme"])
def test_parts_and_holes_of_masks_survive(case, tmp_path, target):
    folder = case("masks-to-yolo")
    run("convert", folder, tmp_path / "there", "--to", target)
    back = convert(tmp_path / "there", tmp_path / "back")["train"]["annotations"]
    original = json.loads((folder / "annotations/instances_train.json").read_text())["annotations"]
    for before, after in zip(original, back, strict=True):
        assert after["bbox"] == pytest.approx(before["bbox"], abs=0.01)
        polygons = after["segmentation"]
        after_mask, before_mask = polygons_to_bitmask(polygons, 72, 96), mask_of(before) != 0
        assert (np.logical_and(after_mask, before_mask).sum() / np.logical_or(after_mask, before_mask).sum()) > 0.99


def test_names_with_backslashes_and_folders_are_found(case):
    folder = case("plain")
    file = folder / "annotations/instances_train.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = f"train\\{image['file_name']}"
    file.write_text(json.dumps(content))
    assert check_dataset(folder) == []
    assert DatasetFolder.find(folder).train.images == folder
    records, _ = load_source(find_sources(file)[0])
    assert records[0]["file_name"].startswith(str(folder / "train/"))


def test_any_split_can_be_evaluated(case):
    folder = case("roboflow-coco")
    assert DatasetFolder.find(folder, "test").val.annotations == folder / "test/_annotations.coco.json"
    with pytest.raises(FileNotFoundError, match=r"no annotations for the split 'dev', found only .*\(coco\)"):
        DatasetFolder.find(folder, "dev")
