"""`detectory eval`: metrics, report and JSON output of results files and Detectron2 configs."""

import json

import pytest
import torch
from click.testing import CliRunner

from detectory.cli import main
from detectory.cli.lookup import detectron2_configs
from detectory.compat.detectron2.modeling import build_model

GROUND_TRUTH = {
    "images": [{"id": 1, "height": 60, "width": 80, "file_name": "1.jpg"}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [50, 5, 20, 20], "area": 400, "iscrowd": 0},
    ],
}
RESULTS = [
    {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "score": 0.9},
    {"image_id": 1, "category_id": 1, "bbox": [50, 5, 20, 20], "score": 0.95},
]


@pytest.fixture
def evaluate(tmp_path):
    """Return a function that evaluates results against GROUND_TRUTH and returns the exit code and the output."""

    def run(results, *arguments):
        (tmp_path / "annotations.json").write_text(json.dumps(GROUND_TRUTH))
        (tmp_path / "results.json").write_text(results if isinstance(results, str) else json.dumps(results))
        files = ["--predictions", str(tmp_path / "results.json"), "--annotations", str(tmp_path / "annotations.json")]
        result = CliRunner().invoke(main, ["eval", *files, *map(str, arguments)])
        return result.exit_code, result.output

    return run


def test_eval_prints_a_table(evaluate):
    code, text = evaluate(RESULTS)
    assert code == 0, text
    rows = dict(line.split() for line in text.splitlines()[1:])
    assert (rows["AP"], rows["APl"]) == ("25.00", "-")


def test_eval_writes_metrics_and_a_report(evaluate, tmp_path):
    code, text = evaluate(RESULTS, "--output", tmp_path / "out")
    assert code == 0, text
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["bbox"]
    assert (metrics["AP-cat"], metrics["AP-dog"], metrics["APl"]) == (pytest.approx(50), 0, None)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "cat 0.95 on dog" in page
    assert "The image files were not found" in page


def test_eval_prints_only_json(evaluate, tmp_path, capsys):
    code, _ = evaluate(RESULTS, "--json", "--output", tmp_path / "out")
    assert code == 0
    files = ["--predictions", str(tmp_path / "results.json"), "--annotations", str(tmp_path / "annotations.json")]
    main(["eval", *files, "--json"], standalone_mode=False)
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["bbox"]["AP"], metrics["bbox"]["APl"]) == (pytest.approx(25), None)
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_eval_reports_the_invalid_entry_and_writes_nothing(evaluate, tmp_path):
    invalid = [RESULTS[0], {**RESULTS[1], "bbox": [1, 2, 3]}]
    code, text = evaluate(invalid, "--output", tmp_path / "out")
    assert code == 1
    assert "results.json: entry 1: bbox is not x, y, width, height of finite numbers: [1, 2, 3]" in text
    assert not (tmp_path / "out").exists()


def test_eval_rejects_a_truncated_file(evaluate):
    code, text = evaluate(json.dumps(RESULTS)[:50])
    assert code == 1
    assert "results.json: not valid JSON" in text


def test_eval_rejects_an_image_folder_without_the_images(evaluate, tmp_path):
    code, text = evaluate(RESULTS, "--output", tmp_path / "out", "--images", tmp_path)
    assert code == 1
    assert "has no image of" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "r.json"], "--predictions and --annotations must be used together"),
        ([], "expected exactly one of RECIPE, --run, --model and --predictions"),
        (["--run", "run", "--images", "images"], "--images needs --predictions"),
    ],
    ids=["annotations missing", "no source", "images without predictions"],
)
def test_eval_rejects_wrong_usage(arguments, message):
    result = CliRunner().invoke(main, ["eval", *arguments])
    assert (result.exit_code, message in result.output) == (2, True)


@pytest.fixture
def small_retinanet(tmp_path):
    """Return a Detectron2 YAML config of a small model, and a COCO folder with one image per split."""
    from PIL import Image

    for split in ("train", "val"):
        (tmp_path / "data" / split).mkdir(parents=True)
        Image.new("RGB", (80, 60), "gray").save(tmp_path / "data" / split / "1.jpg")
        (tmp_path / "data" / "annotations").mkdir(exist_ok=True)
        (tmp_path / "data" / "annotations" / f"instances_{split}.json").write_text(json.dumps(GROUND_TRUTH))
    path = tmp_path / "small.yaml"
    path.write_text(
        "VERSION: 2\nMODEL:\n  META_ARCHITECTURE: RetinaNet\n  BACKBONE: {NAME: build_retinanet_resnet_fpn_backbone}\n"
        "  RESNETS: {DEPTH: 18, RES2_OUT_CHANNELS: 64, OUT_FEATURES: [res3, res4, res5]}\n"
        "  FPN: {IN_FEATURES: [res3, res4, res5], OUT_CHANNELS: 8}\n"
        "  RETINANET: {NUM_CONVS: 1, SCORE_THRESH_TEST: 0.0}\n"
        "  ANCHOR_GENERATOR: {SIZES: [[8], [16], [32], [64], [128]]}\n"
        "INPUT: {MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 96}\nDATALOADER: {NUM_WORKERS: 0}\n"
    )
    return path, tmp_path / "data"


def test_eval_accepts_a_detectron2_config(small_retinanet, tmp_path):
    config, data = small_retinanet
    cfg = detectron2_configs.load(str(config), [], data=data)
    torch.save({"model": build_model(cfg).state_dict()}, tmp_path / "model.pth")
    arguments = ["--data", data, "--weights", tmp_path / "model.pth", "--output", tmp_path / "out"]
    result = CliRunner().invoke(main, ["eval", str(config), *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["bbox"]["AP"] is not None
    assert (tmp_path / "out" / "report.html").is_file()


def test_run_of_a_detectron2_config_can_be_evaluated_and_used(small_retinanet, tmp_path):
    config, data = small_retinanet
    run = tmp_path / "run"
    solver = ["SOLVER.MAX_ITER=1", "SOLVER.IMS_PER_BATCH=1", "SOLVER.STEPS=()", "INPUT.MIN_SIZE_TRAIN=(64,)"]
    for arguments in (
        ["train", config, *solver, "--data", data, "--output", run, "--device", "cpu"],
        ["eval", "--run", run, "--output", tmp_path / "out"],
        ["predict", data / "val", "--run", run, "--output", tmp_path / "predictions", "--threshold", "0"],
        ["config", "show", run, "MODEL.META_ARCHITECTURE"],
    ):
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "report.html").is_file()
    assert json.loads((tmp_path / "predictions" / "results.json").read_text())


def test_eval_of_a_detectron2_config_needs_weights():
    result = CliRunner().invoke(main, ["eval", "COCO-Detection/retinanet_R_50_FPN_1x.yaml"])
    assert (result.exit_code, "RECIPE needs --weights" in result.output) == (2, True)
