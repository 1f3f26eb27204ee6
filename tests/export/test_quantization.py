"""Post-training quantisation of ONNX models."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from detectory.export.quantization import (
    disagreement,
    find_layers,
    is_quantized,
    measure_costs,
    measure_ranges,
    measured_tensors,
    quantize,
    quantize_statically,
    quantized_tensors,
    replace_deconvolutions,
)
from detectory.export.quantization.layers import group_of


class Block(nn.Module):
    """A stem, a residual block with a pooled shortcut, and a fully connected layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.stem(image[None]).relu(), 2)
        x = (self.left(x) + self.right(x)).relu()
        return self.head(x.mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    torch.manual_seed(0)
    program = torch.export.export(Block().eval(), (torch.rand(3, 16, 16),))
    return torch.onnx.export(program, input_names=["image"], opset_version=18, verbose=False).model_proto


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [np.random.default_rng(seed).random((3, 16, 16), np.float32) for seed in range(4)]


def run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"image": image})[0]


def test_layers_are_the_convolutions_and_fully_connected_layers(model):
    assert [layer.group for layer in find_layers(model.graph)] == ["stem", "left", "right", "head"]


def test_groups_are_the_parts_of_detectors():
    names = {
        "model.backbone.bottom_up.res4.0.conv1.weight": "backbone.bottom_up.res4",
        "model.backbone.fpn_output5.weight": "backbone.fpn_output",
        "model.proposal_generator.rpn_head.conv.weight": "proposal_generator.rpn_head",
        "model.head.cls_subnet.0.weight": "head.cls_subnet",
    }
    assert {name: group_of(name) for name in names} == names


def test_residual_blocks_stay_in_int8(model):
    tensors = quantized_tensors(model.graph, find_layers(model.graph))
    types = {name: node.op_type for node in model.graph.node for name in node.output}
    kinds = sorted(types.get(name, "input") for name in tensors)
    # The input, the stem after its ReLU, the pooled features, both branches, and the input of the last layer.
    assert kinds.count("Relu") == 2
    assert {"MaxPool", "Conv"} <= set(kinds)


def test_int8_model_computes_similar_results(model, images):
    layers = find_layers(model.graph)
    ranges = measure_ranges(model, measured_tensors(model.graph, layers), images)
    result = quantize(model, ranges, layers)
    onnx.checker.check_model(result)
    assert is_quantized(result)
    assert not is_quantized(model)
    for image in images:
        expected = run(model, image)
        assert np.abs(run(result, image) - expected).max() < 0.03 * np.abs(expected).max() + 0.01


def test_onnxruntime_computes_the_convolutions_in_int8(model, images, tmp_path):
    layers = find_layers(model.graph)
    ranges = measure_ranges(model, measured_tensors(model.graph, layers), images)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(quantize(model, ranges, layers).SerializeToString(), options)
    types = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert types.count("QLinearConv") == 3
    assert "QLinearAdd" in types


def test_ranges_are_averaged_and_contain_zero(model):
    bright = [np.full((3, 16, 16), value, np.float32) for value in (1.0, 3.0)]
    assert measure_ranges(model, ["image"], bright)["image"] == (0.0, 2.0)


def detections(*scores: float, shift: float = 0.0) -> dict[str, np.ndarray]:
    boxes = np.array([[10.0 * i, 0, 10.0 * i + 8, 8] for i in range(len(scores))], np.float32).reshape(-1, 4) + shift
    return {"pred_boxes": boxes, "scores": np.array(scores), "pred_classes": np.zeros(len(scores), np.int64)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (detections(0.9, 0.5), detections(0.9, 0.5), 0.0),
        (detections(0.9), detections(), 1.0),
        (detections(), detections(), 0.0),
        (detections(0.8), detections(0.4), 0.5),
        (detections(0.5, 0.5), detections(0.5), 0.5),
    ],
    ids=["equal", "missing", "empty", "half the score", "one of two"],
)
def test_disagreement_of_detections(first, second, expected):
    assert disagreement([first], [second]) == pytest.approx(expected)


def test_disagreement_of_semantic_segmentation():
    scores = np.zeros((2, 4, 4), np.float32)
    changed = scores.copy()
    changed[1, 0] = 1
    assert disagreement([{"sem_seg": scores}], [{"sem_seg": changed}]) == 0.25


def with_scores(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its output as semantic scores (5, 1, 1)."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    name = graph.output[0].name
    graph.initializer.append(onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [3], [5, 1, 1]))
    graph.node.append(onnx.helper.make_node("Reshape", [name, "shape"], ["sem_seg"]))
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info("sem_seg", onnx.TensorProto.FLOAT, [5, 1, 1]))
    return result


def test_costs_are_measured_for_each_part(model, images):
    scored = with_scores(model)
    layers = find_layers(scored.graph)
    ranges = measure_ranges(scored, measured_tensors(scored.graph, layers), images)
    assert set(measure_costs(scored, ranges, layers, images)) == {"stem", "left", "right", "head"}


def test_sensitive_parts_stay_float_until_the_drop_is_allowed(model, images):
    def accuracy(candidate: onnx.ModelProto) -> float:
        # Each int8 weight costs one point.
        return 40.0 - sum(
            entry.data_type == onnx.TensorProto.INT8 and entry.name.endswith("weight_quantized")
            for entry in candidate.graph.initializer
        )

    result, report = quantize_statically(with_scores(model), images, accuracy, max_drop=2.0)
    assert report.ap == {"float32": 40.0, "int8": 38.0}
    assert len(report.float_parts) == 2
    assert len([entry for entry in result.graph.initializer if entry.name.endswith("weight_quantized")]) == 2


def test_excessive_drop_is_an_error_that_lists_the_sensitive_parts(model, images):
    def accuracy(candidate: onnx.ModelProto) -> float:
        return 20.0 if is_quantized(candidate) else 40.0

    message = r"AP drops by 20.00 from 40.00 in int8, allowed 1, .* Most sensitive parts: .*\(0\.\d+\)"
    with pytest.raises(ValueError, match=message):
        quantize_statically(with_scores(model), images, accuracy, max_drop=1.0)


def test_calibration_images_are_required(model):
    with pytest.raises(ValueError, match="int8 needs calibration images, got none"):
        quantize_statically(model, [])


@pytest.mark.parametrize("has_relu", [True, False])
def test_transposed_convolutions_become_convolutions_with_equal_results(has_relu, images):
    torch.manual_seed(0)
    layers = [nn.ConvTranspose2d(3, 5, 2, stride=2), nn.ReLU()] if has_relu else [nn.ConvTranspose2d(3, 5, 2, stride=2)]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(5, 4, 3, stride=2)).eval()

    class Upsampling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = network

        def forward(self, image):
            return self.layers(image[None])

    program = torch.export.export(Upsampling(), (torch.rand(3, 16, 16),))
    model = torch.onnx.export(program, input_names=["image"], opset_version=18, verbose=False).model_proto
    result = replace_deconvolutions(model)
    onnx.checker.check_model(result)
    types = [node.op_type for node in result.graph.node]
    assert types.count("ConvTranspose") == 1  # the overlapping one
    assert len(find_layers(result.graph)) == 1
    np.testing.assert_allclose(run(result, images[0]), run(model, images[0]), atol=1e-5)
