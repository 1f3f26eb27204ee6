"""Selection of detections from the candidates of one-stage models, without torch, and the graph that returns them."""

import shutil

import numpy as np
import pytest
import torch

from detectory.export import FORMATS, Tolerance, export, load, runtime
from detectory.export.dense_scores import DenseScores, unsupported_reason
from detectory.export.description import Description
from detectory.export.inference_graph import InferenceGraph
from detectory.export.runtime.candidates import batched_nms, select_detections
from detectory.export.trailer import append_description, has_identifier, read_description
from detectory.ops import batched_nms as torch_nms

THRESHOLDS = {"score": 0.05, "nms": 0.5, "candidates_per_level": 100, "max_detections": 100}


def test_nms_equals_the_operator():
    rng = np.random.default_rng(0)
    boxes = rng.random((300, 4), dtype=np.float32) * 100
    boxes[:, 2:] += boxes[:, :2]
    scores, classes = rng.random(300, dtype=np.float32), rng.integers(0, 4, 300)
    expected = torch_nms(*map(torch.from_numpy, (boxes, scores, classes)), 0.5)
    assert batched_nms(boxes, scores, classes, 0.5).tolist() == expected.tolist()


def test_no_candidate_above_the_threshold_yields_no_detection():
    empty = np.zeros((6, 4), np.float32), np.zeros((6, 3), np.float32), np.ones(6, np.float32)
    boxes, scores, classes = select_detections(*empty, (4, 2), THRESHOLDS)
    assert (boxes.shape, scores.shape, classes.dtype) == ((0, 4), (0,), np.int64)


@pytest.mark.parametrize("architecture", ["RetinaNet", "FCOS"])
def test_selected_candidates_equal_the_detections_of_the_model(architecture, model, inputs):
    original, (item,) = model(architecture), inputs(architecture, (160, 224))
    whole = InferenceGraph(original)
    graph = DenseScores(whole)
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in whole(item["image"])]
        candidates = [tensor.numpy() for tensor in graph(item["image"])]
    thresholds = {
        "score": original.test_score_thresh,
        "nms": original.test_nms_thresh,
        "candidates_per_level": original.test_topk_candidates,
        "max_detections": original.max_detections_per_image,
    }
    selected = select_detections(*candidates, graph.levels, thresholds)
    assert len(selected[0]) > 5
    for result, reference, tolerance in zip(selected, expected, (1e-3, 1e-5, 0), strict=True):
        np.testing.assert_allclose(result, reference, atol=tolerance)


def test_rcnn_is_refused_with_the_reason(model):
    reason = unsupported_reason(model("faster R-CNN"), "ExecuTorch", 160, 1)
    assert reason is not None
    assert "excludes the regions of GeneralizedRCNN. One-stage models such as RetinaNet" in reason
    assert "need a fixed size" in str(unsupported_reason(model("RetinaNet"), "ExecuTorch", 0, 1))


def test_description_follows_a_flatbuffer(tmp_path):
    path = tmp_path / "model.pte"
    path.write_bytes(b"0000ET12 program")
    pixels = (0.0,) * 3
    append_description(path, Description("FCOS", ("image",), ("scores",), "BGR", pixels, pixels, 800, 1333))
    content, description = read_description(path)
    assert (content, description.architecture, description.shortest_side) == (b"0000ET12 program", "FCOS", 800)
    assert has_identifier(path, b"ET12")
    path.write_bytes(path.read_bytes().replace(b"program", b"pr0gram"))
    with pytest.raises(ValueError, match=r"model.pte was changed after the export"):
        read_description(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"model.pte does not contain detectory.json, or is truncated"):
        read_description(path)


@pytest.mark.slow
@pytest.mark.parametrize(("format_name", "suffix"), [("litert", "tflite"), ("executorch", "pte")])
@pytest.mark.parametrize("architecture", ["RetinaNet", "FCOS"])
def test_files_of_other_environments_agree(architecture, format_name, suffix, model, inputs, tmp_path):
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    for module in FORMATS[format_name].modules:
        pytest.importorskip(module)
    path, original = tmp_path / f"model.{suffix}", model(architecture)
    agreement = export(original, path, inputs(architecture, (160, 224), (100, 224)), height=160, width=224)
    assert agreement.detections == agreement.matched > 50
    assert agreement.problems(Tolerance(boxes=1e-3, scores=1e-4)) == []
    assert FORMATS[format_name].recognizes(path)
    expected = load(path).predict(np.full((50, 60, 3), 90, np.uint8))
    if format_name == "litert":
        result = runtime.load(path).predict(np.full((50, 60, 3), 90, np.uint8))
        np.testing.assert_allclose(result.boxes, expected.pred_boxes.tensor.numpy(), atol=1e-3)
