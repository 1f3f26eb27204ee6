"""The ONNX translations of Detectory's operators return the same results as the operators."""

from collections.abc import Callable

import pytest
import torch
from tests.export.call import Call

from detectory import ops
from detectory.export.formats.onnx_functions import inline_functions
from detectory.export.formats.onnx_operators import onnx_translations
from detectory.export.formats.onnx_runtime import OnnxGraph

DYNAMIC = torch.export.Dim.DYNAMIC


def to_onnx(function: Callable, inputs: tuple, shapes: tuple) -> Callable:
    program = torch.export.export(Call(function), inputs, dynamic_shapes=(shapes,))
    exported = torch.onnx.export(program, opset_version=18, custom_translation_table=onnx_translations(), verbose=False)
    graph = OnnxGraph(inline_functions(exported.model_proto).SerializeToString())
    return lambda *inputs: graph(inputs)[0]


def random_boxes(count: int, levels: int = 1000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    corner = torch.rand(count, 2) * 100
    boxes = torch.cat([corner, corner + 5 + torch.rand(count, 2) * 40], dim=1)
    return boxes, (torch.rand(count) * levels).round() / levels, torch.randint(0, 4, (count,))


@pytest.fixture(scope="module", params=["nms", "batched_nms"])
def suppression(request: pytest.FixtureRequest) -> tuple[Callable, Callable]:
    functions = {
        "nms": lambda boxes, scores, _: ops.nms(boxes, scores, 0.5),
        "batched_nms": lambda boxes, scores, classes: ops.batched_nms(boxes, scores, classes, 0.5),
    }
    function = functions[request.param]
    return function, to_onnx(function, random_boxes(20), ({0: DYNAMIC},) * 3)


@pytest.mark.parametrize("count", [0, 1, 5, 300])
@pytest.mark.parametrize("levels", [1000, 5], ids=["distinct scores", "ties"])
def test_suppression_keeps_the_same_boxes_in_the_same_order(suppression, count, levels):
    function, graph = suppression
    inputs = random_boxes(count, levels)
    assert graph(*inputs).tolist() == function(*inputs).tolist()


@pytest.mark.parametrize(("aligned", "samples"), [(True, 0), (False, 2)], ids=["aligned", "legacy with two samples"])
def test_roi_align_pools_the_same_features(aligned, samples):
    def rois(count: int) -> torch.Tensor:
        return torch.cat([torch.randint(0, 2, (count, 1)).float(), random_boxes(count)[0]], dim=1)

    def function(maps: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return ops.roi_align(maps, regions, (7, 5), 0.25, samples, aligned)

    graph = to_onnx(function, (torch.rand(2, 8, 30, 40), rois(5)), ({2: DYNAMIC, 3: DYNAMIC}, {0: DYNAMIC}))
    for count in (0, 1, 30):
        inputs = torch.rand(2, 8, 25, 33), rois(count)
        torch.testing.assert_close(graph(*inputs), function(*inputs))


def random_rotated_boxes(count: int, *_: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes = torch.cat(
        [torch.rand(count, 2) * 100, 5 + torch.rand(count, 2) * 40, torch.rand(count, 1) * 400 - 200], dim=1
    )
    boxes[1::3] = boxes[::3][: len(boxes[1::3])]  # equal boxes have common edges
    return boxes, torch.rand(count), torch.randint(0, 4, (count,))


@pytest.mark.parametrize("is_batched", [False, True], ids=["nms_rotated", "batched_nms_rotated"])
def test_rotated_suppression_keeps_the_same_boxes_in_the_same_order(is_batched):
    def function(boxes, scores, classes):
        if is_batched:
            return ops.batched_nms_rotated(boxes, scores, classes, 0.3)
        return ops.nms_rotated(boxes, scores, 0.3)

    graph = to_onnx(function, random_rotated_boxes(20), ({0: DYNAMIC},) * 3)
    for count in (0, 1, 5, 200):
        inputs = random_rotated_boxes(count)
        assert graph(*inputs).tolist() == function(*inputs).tolist()


@pytest.mark.parametrize("samples", [0, 2], ids=["adaptive", "two samples"])
def test_rotated_roi_align_pools_the_same_features(samples):
    def rois(count: int) -> torch.Tensor:
        return torch.cat([torch.randint(0, 2, (count, 1)).float(), random_rotated_boxes(count)[0]], dim=1)

    def function(maps: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return ops.roi_align_rotated(maps, regions, (7, 5), 0.25, samples)

    graph = to_onnx(function, (torch.rand(2, 8, 30, 40), rois(5)), ({2: DYNAMIC, 3: DYNAMIC}, {0: DYNAMIC}))
    for count in (0, 1, 30):
        inputs = torch.rand(2, 8, 25, 33), rois(count)
        torch.testing.assert_close(graph(*inputs), function(*inputs), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("has_mask", [False, True], ids=["version 1", "version 2"])
@pytest.mark.parametrize(("groups", "stride", "dilation"), [(1, 1, 1), (2, 2, 2)], ids=["plain", "groups and strides"])
def test_deformable_convolution_computes_the_same_features(has_mask, groups, stride, dilation):
    weight = torch.randn(6, 8 // groups, 3, 3)

    def function(maps: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        factors = mask if has_mask else None
        return ops.deform_conv2d(maps, offset, weight, None, stride, dilation, dilation, factors)

    def inputs(height: int, width: int) -> tuple[torch.Tensor, ...]:
        out = [(side - 1) // stride + 1 for side in (height, width)]
        return torch.rand(2, 8, height, width), torch.randn(2, 18 * groups, *out) * 3, torch.rand(2, 9 * groups, *out)

    values = inputs(20, 24)
    graph = to_onnx(function, values, ({}, {}, {}))
    torch.testing.assert_close(graph(*values), function(*values), atol=1e-4, rtol=1e-4)
