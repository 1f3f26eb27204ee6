"""Variants of ONNX files: any batch size, types of the weights, a separate file of weights."""

import numpy as np
import onnx
import pytest
import torch

from detectory.export import export, load, runtime
from detectory.export.formats import onnx_format

HALF = ("float16", "bfloat16")
SIZES = (160, 224), (160, 224)


@pytest.fixture(scope="module")
def semantic(model):
    return model("semantic FPN")


def same_labels(model, exported, items) -> float:
    with torch.no_grad():
        expected = [model([item])[0]["sem_seg"].argmax(dim=0) for item in items]
    results = [output["sem_seg"].argmax(dim=0) for output in exported(items)]
    return min((a == b).float().mean().item() for a, b in zip(expected, results, strict=True))


def test_any_batch_size(semantic, inputs, tmp_path):
    path = tmp_path / "model.onnx"
    export(semantic, path, inputs("semantic FPN", *SIZES), batch=0, resize=(144, 300))
    onnx.checker.check_model(path)
    predictor = load(path)
    for count in (1, 3):
        assert same_labels(semantic, predictor.model, inputs("semantic FPN", *[(192, 160)] * count)) > 0.999
    assert runtime.load(path).predict(np.zeros((160, 200, 3), np.uint8)).sem_seg.shape == (160, 200)


@pytest.mark.parametrize("dtype", [*(pytest.param(one, marks=pytest.mark.slow) for one in HALF), "int8"])
def test_types_of_the_weights(dtype, semantic, inputs, tmp_path):
    path, items = tmp_path / "model.onnx", inputs("semantic FPN", *SIZES)
    agreement = export(semantic, path, items, dtype=dtype, calibration=items, resize=(144, 300))
    assert agreement.labels < 0.05
    assert load(path).model.description.dtype == dtype
    full = sum(parameter.nbytes for parameter in semantic.parameters())
    assert path.stat().st_size < 0.62 * full
    assert same_labels(semantic, load(path).model, inputs("semantic FPN", (192, 160))) > 0.95


@pytest.mark.slow
def test_large_weights_are_in_a_second_file(semantic, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_format, "MAX_WEIGHTS", 1_000_000)
    path = tmp_path / "model.onnx"
    export(semantic, path, inputs("semantic FPN", *SIZES), resize=(144, 300))
    assert path.stat().st_size < 1_000_000 < (tmp_path / "model.onnx.data").stat().st_size
    assert same_labels(semantic, load(path).model, inputs("semantic FPN", (192, 160))) > 0.999
    runtime.load(path)
    with (tmp_path / "model.onnx.data").open("r+b") as file:
        file.write(b"changed")
    with pytest.raises(ValueError, match=r"model.onnx.data was changed or truncated after the export"):
        load(path)


def test_large_weights_cannot_be_quantized(semantic, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_format, "MAX_WEIGHTS", 1_000_000)
    items = inputs("semantic FPN", *SIZES)
    with pytest.raises(ValueError, match="more than 2 GB of weights cannot have dtype int8"):
        export(semantic, tmp_path / "model.onnx", items, dtype="int8", calibration=items)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mask R-CNN", "RetinaNet", "panoptic FPN"])
def test_detections_of_a_batch_equal_those_of_single_images(name, model, inputs, tmp_path):
    original, path = model(name), tmp_path / "model.onnx"
    items = inputs(name, *SIZES)
    export(original, path, items, batch=0, resize=(144, 300))
    black = {"image": torch.zeros(3, 160, 224), "height": 160, "width": 224}
    with torch.no_grad():
        expected = [original([item])[0]["instances"] for item in (items[0], black, items[1])]
    results = load(path).model([items[0], black, items[1]])
    assert [len(output["instances"]) for output in results] == [len(instances) for instances in expected]
