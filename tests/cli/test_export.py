"""`detectory export`, and predictions of exported files."""

import json

import pytest
from PIL import Image

SMALL = "COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small"


def test_exported_file_predicts(detectory, tmp_path):
    model, image = tmp_path / "model.ts", tmp_path / "image.png"
    Image.linear_gradient("L").convert("RGB").resize((200, 160)).save(image)
    options = "--weights", "", "--image", image, "--output", model
    result = detectory("export", SMALL, "--format", "torchscript", *options, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["format"], summary["file"]) == ("torchscript", str(model))
    result = detectory("predict", image, "--model", model, "--output", tmp_path / "predictions")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "predictions" / "results.json").is_file()
    result = detectory("export", SMALL, "--format", "torchscript", *options)
    assert (result.exit_code, "model.ts exists, use --overwrite" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--height", "480"], "--height and --width must be used together"),
        (["--height", "480", "--width", "640", "--dynamic"], "--dynamic excludes --height and --width"),
        (["--dtype", "int8"], "--dtype int8 needs --data"),
        (["--data", "folder"], "--data needs --dtype int8"),
        (["--max-ap-drop", "1"], "--max-ap-drop needs --dtype int8"),
        (["--batch", "many"], "must be a positive number or 'dynamic', got 'many'"),
        (["--format", "caffe2"], "'caffe2' is not one of 'onnx'"),
    ],
    ids=["height", "dynamic", "int8", "data", "drop", "batch", "format"],
)
def test_export_rejects_options(options, message, detectory):
    result = detectory("export", SMALL, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_damaged_file_is_reported_in_one_line(detectory, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"damaged")
    image = tmp_path / "image.png"
    Image.new("RGB", (40, 40)).save(image)
    result = detectory("predict", image, "--model", tmp_path / "model.onnx", "--output", tmp_path / "predictions")
    assert result.exit_code == 1
    assert "model.onnx is not an exported model, or truncated" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_eval_of_a_file_needs_a_dataset(detectory):
    result = detectory("eval", "--model", "model.onnx")
    assert (result.exit_code, "--model needs --data" in result.stderr) == (2, True)


@pytest.mark.slow
def test_benchmark_compares_backends(detectory):
    options = "--size", "96x128", "--iterations", "2", "--warmup", "0", "--json"
    result = detectory("benchmark", SMALL, "--formats", "eager,optimized,torchscript,torch-export:int8", *options)
    assert result.exit_code == 0, result.output
    eager, optimized, traced, refused = json.loads(result.stdout)
    assert eager["box_difference"] == 0
    assert optimized["agrees"]
    assert traced["agrees"]
    assert traced["file_mib"] > 10
    assert "torch.export files cannot have dtype int8" in refused["error"]


def test_benchmark_rejects_unknown_backends(detectory):
    result = detectory("benchmark", SMALL, "--formats", "eager,caffe2")
    assert (result.exit_code, "got 'caffe2'" in result.stderr) == (2, True)
