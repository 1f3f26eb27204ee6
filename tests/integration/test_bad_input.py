"""Invalid datasets are reported in one line with exit code 1, without incomplete output files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectory.cli import main

RECIPE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_annotation(**fields: object) -> Callable[[Path], None]:
    return lambda folder: edit(folder, lambda content: content["annotations"][2].update(fields))


def truncate_image(folder: Path) -> None:
    path = folder / "train" / "2.jpg"
    path.write_bytes(path.read_bytes()[:400])


def replace_json(folder: Path) -> None:
    (folder / "annotations" / "instances_train.json").write_text('["not", "COCO"]')


DAMAGE = {
    "missing image": (lambda folder: (folder / "train" / "2.jpg").unlink(), ["2.jpg"]),
    "truncated JPEG": (truncate_image, ["2.jpg"]),
    "polygon with 4 numbers": (
        set_annotation(segmentation=[[1, 1, 5, 5]]),
        ["instances_train.json", "3", "segmentation"],
    ),
    "box of negative width": (set_annotation(bbox=[5, 5, -4, 6]), ["instances_train.json", "3", "bbox"]),
    "unknown category": (set_annotation(category_id=77), ["instances_train.json", "3", "category_id", "77"]),
    "not a COCO file": (replace_json, ["instances_train.json", "COCO"]),
}
PARAMETERS = pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@PARAMETERS
def test_training_reports_the_problem_in_one_line(coco_folder, tmp_path, tiny, damage, words):
    damage(coco_folder)
    code, output = run(
        "train", RECIPE, "--data", str(coco_folder), "--output", str(tmp_path / "run"), *tiny, "train.max_iter=8"
    )
    message = output.strip().splitlines()[-1]
    assert code == 1
    assert message.startswith("Error: ")
    assert [word for word in words if word not in message] == []
    assert not list((tmp_path / "run").glob("*.pth"))


@PARAMETERS
def test_data_check_reports_the_problem(coco_folder, damage, words):
    damage(coco_folder)
    code, output = run("data", "check", str(coco_folder))
    assert code == 1
    assert any(all(word in line for word in words) for line in output.splitlines())


def test_data_check_reports_all_problems_in_one_run(coco_folder):
    (coco_folder / "train" / "1.jpg").unlink()
    truncate_image(coco_folder)
    set_annotation(segmentation=[[1, 1, 5, 5]], bbox=[5, 5, -4, 6], category_id=77)(coco_folder)
    code, output = run("data", "check", str(coco_folder))
    assert code == 1
    assert [word for word in ("1.jpg", "2.jpg", "segmentation", "bbox", "category_id") if word not in output] == []


def test_data_check_of_a_valid_dataset_exits_with_zero(coco_folder):
    code, output = run("data", "check", str(coco_folder))
    assert code == 0
    assert "0 problems" in output


def test_infinite_loss_is_reported_with_its_iteration(coco_folder, tmp_path, tiny):
    code, output = run(
        *("train", RECIPE, "--data", str(coco_folder), "--output", str(tmp_path / "run"), *tiny),
        *("train.max_iter=8", "optimizer.lr=1e18", "lr_multiplier.warmup_factor=1.0"),
    )
    message = output.strip().splitlines()[-1]
    assert code == 1
    assert "iteration" in message
    assert "NaN" in message or "loss" in message


def test_error_in_a_worker_process_is_reported_in_one_line(coco_folder, tmp_path, tiny):
    truncate_image(coco_folder)
    code, output = run(
        *("train", RECIPE, "--data", str(coco_folder), "--output", str(tmp_path / "run"), *tiny),
        *("train.max_iter=8", "dataloader.train.num_workers=2"),
    )
    assert code == 1
    assert output.strip().splitlines()[-1].startswith(f"Error: {coco_folder}/train/2.jpg: the image is damaged")
