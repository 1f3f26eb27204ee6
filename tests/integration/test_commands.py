"""The typical sequence of commands: train, predict with the run, evaluate the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from detectory.cli import main

RECIPE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"


def run_command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def trained(coco_folder, tmp_path, tiny) -> Path:
    """Return the folder of a run of two iterations, with a model that returns detections of any score."""
    folder = tmp_path / "run"
    overrides = [
        *tiny,
        "train.max_iter=2",
        "train.eval_period=0",
        "model.roi_heads.box_predictor.test_score_thresh=0.0",
    ]
    code, output = run_command("train", RECIPE, "--data", coco_folder, "--output", folder, *overrides)
    assert code == 0, output
    return folder


def test_predict_writes_annotated_images_and_results_with_file_names(trained, coco_folder, tmp_path):
    output = tmp_path / "predictions"
    code, text = run_command("predict", coco_folder / "val", "--run", trained, "--output", output, "--threshold", 0.0)
    entries = json.loads((output / "results.json").read_text())
    assert (code, f"{len(entries)} detections" in text) == (0, True)
    assert sorted(path.name for path in output.glob("*.jpg")) == [f"{image_id}.jpg" for image_id in range(1, 7)]
    assert {Path(entry["file_name"]).parent for entry in entries} <= {coco_folder / "val"}
    assert {"image_id", "category_id", "bbox", "score", "segmentation"} <= set(entries[0])


def test_predict_processes_each_image_once(trained, coco_folder, tmp_path):
    images = coco_folder / "val"
    code, text = run_command(
        "predict", images / "3.jpg", images / "[23].jpg", "--run", trained, "--output", tmp_path / "two"
    )
    assert (code, text.splitlines()[-1].startswith("2 images")) == (0, True)
    assert Image.open(tmp_path / "two" / "3.jpg").size == (64, 64)


def test_predict_skips_an_unreadable_image_and_exits_with_1(trained, coco_folder, tmp_path):
    (coco_folder / "val" / "2.jpg").write_bytes(b"no image")
    code, text = run_command("predict", coco_folder / "val", "--run", trained, "--output", tmp_path / "five")
    assert code == 1
    assert "2.jpg" in text
    assert text.strip().splitlines()[-1] == "Error: 1 of 6 images and videos could not be read"
    assert len(list((tmp_path / "five").glob("*.jpg"))) == 5


def test_eval_of_a_run_prints_and_stores_box_and_mask_metrics(trained):
    code, text = run_command("eval", "--run", trained)
    stored = json.loads((trained / "evaluation.json").read_text())
    assert code == 0, text
    assert {"bbox", "segm"} <= set(stored)
    assert 0 <= stored["bbox"]["AP"] <= 100


def test_eval_of_perfect_predictions_is_100(coco_folder, tmp_path):
    annotations = coco_folder / "annotations" / "instances_val.json"
    entries = [
        {**{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "score": float(score)}
        for entry, score in zip(
            json.loads(annotations.read_text())["annotations"], np.linspace(0.5, 1.0, 12), strict=True
        )
    ]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    code, text = run_command(
        "eval", "--predictions", tmp_path / "results.json", "--annotations", annotations, "--output", tmp_path / "out"
    )
    assert code == 0, text
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["bbox"]["AP"] == pytest.approx(100)


def test_eval_of_a_run_writes_a_report_with_images(trained, tmp_path):
    code, text = run_command("eval", "--run", trained, "--output", tmp_path / "out")
    assert code == 0, text
    page = (tmp_path / "out" / "report.html").read_text()
    assert "mask AP50" in page
    assert page.count("data:image/jpeg") > 3
    assert {"bbox", "segm"} <= set(json.loads((tmp_path / "out" / "metrics.json").read_text()))
