"""`detectory data`: validation, statistics, display and conversion of small datasets."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from detectory.cli import main
from detectory.data.validation import check_dataset


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["data", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def coco(tmp_path):
    """Return a folder in COCO layout with two images, each with a polygon and a box."""
    folder = tmp_path / "shapes"
    (folder / "val").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for image_id in (1, 2):
        noise = np.random.default_rng(image_id).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "val" / f"{image_id}.jpg", quality=95)
        images.append({"id": image_id, "file_name": f"{image_id}.jpg", "height": 40, "width": 60})
        box = {
            "id": 2 * image_id,
            "image_id": image_id,
            "category_id": 1,
            "bbox": [2, 4, 10, 20],
            "iscrowd": 0,
            "area": 200,
        }
        polygon = {**box, "id": 2 * image_id + 1, "category_id": 5, "segmentation": [[20, 10, 40, 10, 40, 30, 20, 30]]}
        annotations += [box, {**polygon, "bbox": [20, 10, 20, 20], "area": 400}]
    categories = [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations/instances_val.json").write_text(json.dumps(content))
    return folder


def test_check_of_a_valid_dataset_finds_no_problems(coco):
    assert run("check", coco).stdout.endswith("0 problems\n")


def test_check_reports_a_problem_and_exits_with_1(coco):
    (coco / "val/1.jpg").unlink()
    report = json.loads(run("check", coco, "--json", code=1).stdout)
    (rule,) = report["rules"]
    (problem,) = rule["examples"]
    assert (report["errors"], report["warnings"], rule["rule"], rule["count"]) == (1, 0, "missing-image", 1)
    assert (problem["id"], problem["field"]) == ("image 1", "file_name")


def test_check_groups_problems_by_rule_and_exits_with_0_on_warnings(coco):
    file = coco / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        del annotation["id"]
    file.write_text(json.dumps(content))
    lines = run("check", coco, "--limit", 1).stdout.splitlines()
    assert lines[-5] == "warning missing-annotation-id (4): an annotation has no id"
    assert lines[-4].endswith("instances_val.json: annotations[0]: id: missing")
    assert lines[-3] == "  … and 3 more"
    assert lines[-2].startswith("  hint: ")
    assert lines[-1] == f"{coco}: 4 warnings"


def test_check_rejects_missing_path(tmp_path):
    assert "not a file, a folder or a registered dataset" in run("check", tmp_path / "x", code=1).stderr


def test_stats_prints_a_table_and_writes_a_self_contained_page(coco, tmp_path):
    result = run("stats", coco, "--page", tmp_path / "page.html")
    assert "cat         2        2" in result.stdout
    page = (tmp_path / "page.html").read_text()
    assert page.count("<figure") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_stats_prints_json(coco, tmp_path):
    result = run("stats", coco, "--json", "--samples", 0, "--page", tmp_path / "page.html")
    (statistics,) = json.loads(result.stdout).values()
    assert (statistics["images"], statistics["objects"], statistics["imbalance"]) == (2, 4, 1)
    assert statistics["classes"][1]["median_area"] == 400


def as_training_split(coco):
    """Add the images as a training split; the class 'dog' remains only in the validation images."""
    (coco / "val").rename(coco / "train")
    file = coco / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["category_id"] = 1
    (coco / "annotations/instances_train.json").write_text(json.dumps(content))


def test_stats_lists_advice_for_the_training_split(coco, tmp_path):
    as_training_split(coco)
    result = run("stats", coco, "--samples", 0, "--page", tmp_path / "page.html")
    title, *advice = result.stdout.split("\nadvice on ")[1].splitlines()
    assert "instances_train.json" in title
    assert "for COCO-Detection/faster_rcnn_" in title
    assert advice[0].startswith("- 2 classes have fewer than 10 training objects: dog (0), cat (4). Annotate")
    assert advice[1].startswith("- 1 class of the validation images has no training object: dog. Split the images")
    assert "fewer than 10 training objects" in (tmp_path / "page.html").read_text()


def test_stats_advises_on_a_named_recipe_in_json(coco, tmp_path):
    as_training_split(coco)
    options = (
        "--json",
        "--samples",
        0,
        "--page",
        tmp_path / "page.html",
        "--recipe",
        "COCO-Detection/fcos_R_50_FPN_1x",
    )
    statistics = json.loads(run("stats", coco, *options).stdout)
    (advice,) = (content["advice"] for content in statistics.values() if "advice" in content)
    assert advice["recipe"] == "COCO-Detection/fcos_R_50_FPN_1x"
    assert [piece["topic"] for piece in advice["pieces"]] == ["rare classes", "classes missing in training"]


def test_stats_skips_unreadable_images(coco, tmp_path):
    (coco / "val/1.jpg").write_bytes(b"no image")
    result = run("stats", coco, "--page", tmp_path / "page.html", code=1)
    assert "1.jpg: not an image format that Pillow supports" in result.stderr
    assert (tmp_path / "page.html").read_text().count("<figure") == 1


def test_show_draws_annotations(coco, tmp_path):
    run("show", coco, "--output", tmp_path / "shown", "--image-id", 2)
    (file,) = (tmp_path / "shown/instances_val").iterdir()
    drawn, image = (np.asarray(Image.open(path)).astype(int) for path in (file, coco / "val/2.jpg"))
    assert drawn.shape == image.shape
    assert np.abs(drawn - image)[12:28, 22:38].mean() > 20


def test_show_suggests_the_nearest_class(coco):
    assert "unknown class 'dgo'" in run("show", coco, "--class", "dgo", code=1).stderr


def test_show_draws_multichannel_images(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 4000, (30, 40, 6)).astype(np.uint16))
    annotation = {"bbox": [5, 5, 20, 20], "bbox_mode": 0, "category_id": 0}
    (tmp_path / "records.json").write_text(json.dumps([{"file_name": "a.npy", "annotations": [annotation]}]))
    run("show", tmp_path / "records.json", "--output", tmp_path / "shown")
    assert (tmp_path / "shown/records/a.jpg").is_file()


@pytest.mark.parametrize("target", ["yolo", "voc", "labelme"])
def test_converted_dataset_can_be_converted_back(coco, tmp_path, target):
    run("convert", coco, tmp_path / target, "--to", target)
    folder = tmp_path / target / ("val" if target == "labelme" else "")
    assert check_dataset(folder) == []
    run("convert", folder, tmp_path / "back.json")
    content = json.loads((tmp_path / "back.json").read_text())
    assert [category["name"] for category in content["categories"]] == ["cat", "dog"]
    boxes = {tuple(annotation["bbox"]) for annotation in content["annotations"]}
    assert boxes == {(2, 4, 10, 20), (20, 10, 20, 20)}
    has_masks = [bool(annotation.get("segmentation")) for annotation in content["annotations"]]
    assert any(has_masks) == (target != "voc")


def test_convert_writes_a_folder_in_coco_layout(coco, tmp_path):
    run("convert", coco, tmp_path / "yolo", "--to", "yolo", "--image-files", "link")
    run("convert", tmp_path / "yolo", tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again/val").iterdir()) == ["1.jpg", "2.jpg"]
    assert check_dataset(tmp_path / "again", decode=True) == []


def test_convert_rejects_a_folder_that_is_not_empty(coco):
    assert "the folder is not empty" in run("convert", coco, coco, code=1).stderr


def test_convert_replaces_only_an_unchanged_folder_of_its_own(coco, tmp_path):
    out = tmp_path / "out"
    run("convert", coco, out, "--to", "yolo")
    assert "the folder is not empty" in run("convert", coco, out, code=1).stderr
    run("convert", coco, out, "--overwrite", "--image-files", "link")
    assert sorted(path.name for path in out.iterdir()) == [".detectory-folder.jsonl", "annotations", "val"]
    assert "contains the input" in run("convert", out, out, "--overwrite", code=1).stderr
    (out / "val/notes.txt").write_text("mine")
    message = run("convert", coco, out, "--overwrite", code=1).stderr
    assert "is not replaced, because val/notes.txt was not written by the command" in message
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.txt").write_text("mine")
    assert "is not replaced" in run("convert", coco, tmp_path / "other", "--overwrite", code=1).stderr
    assert (out / "val/notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_prepare_writes_label_images_for_panoptic_fpn(tmp_path):
    from detectory.data.formats import write_panoptic_png

    folder = tmp_path / "coco"
    for name in ("annotations", "panoptic_val2017"):
        (folder / name).mkdir(parents=True)
    write_panoptic_png(folder / "panoptic_val2017/1.png", np.array([[7, 7, 9, 0]]))
    segments = [{"id": 7, "category_id": 1}, {"id": 9, "category_id": 92}]
    categories = [{"id": 1, "isthing": 1}, {"id": 92, "isthing": 0}]
    annotation = {"image_id": 1, "file_name": "1.png", "segments_info": segments}
    file = folder / "annotations/panoptic_val2017.json"
    file.write_text(json.dumps({"annotations": [annotation], "categories": categories}))
    run("prepare", "panoptic-fpn", "--root", tmp_path)
    assert np.asarray(Image.open(folder / "panoptic_stuff_val2017/1.png")).tolist() == [[0, 0, 1, 255]]


def test_prepare_shifts_ade20k_labels(tmp_path):
    folder = tmp_path / "ADEChallengeData2016"
    (folder / "annotations/training").mkdir(parents=True)
    Image.fromarray(np.array([[0, 1, 150]], np.uint8)).save(folder / "annotations/training/a.png")
    run("prepare", "ade20k", "--root", tmp_path)
    shifted = np.asarray(Image.open(folder / "annotations_detectron2/training/a.png"))
    assert shifted.tolist() == [[255, 0, 149]]


def test_prepare_writes_cityscapes_labels(tmp_path):
    folder = tmp_path / "cityscapes/gtFine/val/ulm"
    folder.mkdir(parents=True)
    Image.fromarray(np.array([[7, 26, 4]], np.uint8)).save(folder / "ulm_0_gtFine_labelIds.png")
    Image.fromarray(np.array([[7, 26001, 4]], np.uint16)).save(folder / "ulm_0_gtFine_instanceIds.png")
    run("prepare", "cityscapes", "--root", tmp_path)
    assert np.asarray(Image.open(folder / "ulm_0_gtFine_labelTrainIds.png")).tolist() == [[0, 13, 255]]
    content = json.loads((tmp_path / "cityscapes/gtFine/cityscapes_panoptic_val.json").read_text())
    assert [segment["id"] for segment in content["annotations"][0]["segments_info"]] == [7, 26001]


@pytest.mark.parametrize("name", ["panoptic-fpn", "ade20k", "cocofied-lvis", "cityscapes"])
def test_prepare_rejects_missing_folder(tmp_path, name):
    assert "Set --root" in run("prepare", name, "--root", tmp_path, code=1).stderr


@pytest.mark.parametrize("target", ["coco", "yolo", "voc", "labelme"])
def test_a_failed_conversion_leaves_no_folder(coco, tmp_path, target):
    (coco / "val/2.jpg").unlink()
    assert "2.jpg: no such image" in run("convert", coco, tmp_path / "out/new", "--to", target, code=1).stderr
    assert list((tmp_path / "out").iterdir()) == []
