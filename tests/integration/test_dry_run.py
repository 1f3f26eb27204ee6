"""`detectory train --dry-run`: everything that can fail is reported in one line, and nothing remains."""

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from detectory.cli import main
from detectory.core.config import instantiate
from detectory.engine.plan import start_checks
from detectory.zoo import get_config

MASKS = "COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small"
WIDE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"
KEYPOINTS = "COCO-Keypoints/keypoint_rcnn_R_18_FPN_small"


def run(*arguments):
    result = CliRunner().invoke(main, ["train", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def _short(monkeypatch, tmp_path):
    monkeypatch.setattr(start_checks, "_SECONDS", 0.0)
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DETECTORY_OFFLINE", "1")


@pytest.fixture
def dry_run(coco_folder, tmp_path):
    """Return a function that runs the command on images of 64 pixels, and returns exit code and output."""
    arguments = ("--data", coco_folder, "--image-size", 64, "--device", "cpu", "--dry-run")
    return lambda *more: run(*more, *arguments, *(() if "--output" in more else ("--output", tmp_path / "run")))


def edit(folder, split, change):
    path = folder / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def each_annotation(**fields):
    return lambda content: [annotation.update(fields) for annotation in content["annotations"]]


def other_class_in_val(folder):
    edit(folder, "val", lambda content: content["categories"][1].update(name="pole"))


def missing_image(folder):
    (folder / "train" / "2.jpg").unlink()


def unreadable_val_file(folder):
    edit(folder, "val", each_annotation(bbox=[1, 2, 3]))


def boxes_only(folder):
    edit(folder, "train", lambda content: [annotation.pop("segmentation") for annotation in content["annotations"]])


def no_valid_boxes(folder):
    edit(folder, "train", each_annotation(bbox=[5, 5, 0, 0], area=0, segmentation=[]))


def five_and_four_keypoints(folder):
    for split, count in (("train", 5), ("val", 5)):
        names = [f"k{index}" for index in range(count)]
        edit(folder, split, lambda content: [c.update(keypoints=names, skeleton=[]) for c in content["categories"]])  # noqa: B023
        edit(folder, split, each_annotation(keypoints=[10, 10, 2] * 5, num_keypoints=5))
    edit(folder, "train", lambda content: content["annotations"][0].update(keypoints=[10, 10, 2] * 4, num_keypoints=4))


def damaged_image(folder):
    file = folder / "val" / "3.jpg"
    file.write_bytes(file.read_bytes()[:700])


def other_keypoints_in_val(folder):
    five_and_four_keypoints(folder)
    for split, count in (("train", 5), ("val", 3)):
        names = [f"k{index}" for index in range(count)]
        edit(folder, split, lambda content: [c.update(keypoints=names) for c in content["categories"]])  # noqa: B023
        edit(folder, split, each_annotation(keypoints=[10, 10, 2] * count, num_keypoints=count))


def nothing(_):
    pass


PROBLEMS = {
    "class names differ": (other_class_in_val, (), "pole"),
    "missing image": (missing_image, (), "1 of 6 images of dataset boxes_train do not exist"),
    "wrong mask type": (
        lambda folder: edit(folder, "train", lambda content: to_rle(content["annotations"][0])),
        ("dataloader.train.mapper.instance_mask_format=polygon",),
        "masks of dataset boxes_train are RLEs or bitmaps, not polygons",
    ),
    "unreadable validation file": (unreadable_val_file, (), "instances_val.json"),
    "boxes only for a mask recipe": (boxes_only, (MASKS,), "have boxes only"),
    "unreadable checkpoint": (nothing, ("--from", "broken.pth"), "broken.pth"),
    "damaged image": (damaged_image, (), "val/3.jpg"),
    "checkpoint of another architecture": (nothing, ("--from", "wide.pth"), "wide.pth does not fit the model"),
    "broken override": (nothing, ("model.roi_heads.num_classes=[3",), "']' is missing in the value '[3'"),
    "other keypoints in the validation split": (other_keypoints_in_val, (KEYPOINTS,), "keypoints"),
    "number of keypoints": (five_and_four_keypoints, (KEYPOINTS,), "keypoints"),
    "no valid boxes": (no_valid_boxes, (), "has a box of positive width and height"),
}


def to_rle(annotation):
    annotation["segmentation"] = {"size": [64, 64], "counts": [64 * 10, 20, 64 * 64 - 64 * 10 - 20]}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_end_the_dry_run_with_one_line(dry_run, coco_folder, tmp_path, problem, monkeypatch):
    damage, arguments, words = PROBLEMS[problem]
    monkeypatch.chdir(tmp_path)
    Path("broken.pth").write_bytes(b"not a checkpoint")
    if "wide.pth" in arguments:
        torch.save({"model": instantiate(get_config(WIDE).model).state_dict()}, "wide.pth")
    damage(coco_folder)
    code, output = dry_run(*arguments)
    assert code == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert words in last
    assert not (tmp_path / "run").exists()


def test_missing_disk_space_is_reported(dry_run, monkeypatch):
    monkeypatch.setattr(start_checks, "free_bytes", lambda _: 100 << 20)
    code, output = dry_run()
    assert code == 1
    assert "for checkpoints, only 105 MB are free" in output.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="/dev/null is not a folder on other systems only")
def test_an_output_that_cannot_be_written_is_reported(dry_run):
    code, output = dry_run("--output", "/dev/null/run")
    assert code == 1
    assert "cannot create train.output_dir=/dev/null/run" in output.splitlines()[-1]


def test_the_dry_run_prints_plan_and_durations_and_leaves_nothing(dry_run, tmp_path):
    code, output = dry_run()
    assert code == 0, output
    for words in (
        MASKS,
        "all objects have masks",
        "(set by you)",
        "loss_mask",
        "written and read",
        "nothing was trained",
    ):
        assert words in output
    assert not (tmp_path / "run").exists()


def test_the_output_of_an_earlier_run_is_refused(dry_run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("")
    code, output = dry_run()
    assert code == 1
    assert "contains a run (config.yaml)" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["COCO-Detection/retinanet_R_50_FPN_1x.yaml", "--epochs", "3", "--data", "x"], "--epochs needs a recipe"),
        ([MASKS, "--epochs", "3"], "--epochs needs --data"),
        (["optimizer.lr=1"], "expected RECIPE or --data"),
        ([MASKS, "--data", "x", "--from", "none", "--weights", ""], "--from and --weights exclude each other"),
    ],
)
def test_options_of_the_plan_need_a_plan(arguments, words):
    code, output = run(*arguments)
    assert code == 2
    assert words in output
