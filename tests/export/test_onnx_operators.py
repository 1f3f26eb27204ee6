"""The ONNX translations of Detectory's operators return the same results as the operators."""

from collections.abc import Callable

import pytest
import torch

from detectory import ops
from detectory.export.formats.onnx_operators import onnx_translations
from detectory.export.formats.onnx_runtime import OnnxGraph

DYNAMIC = torch.export.Dim.DYNAMIC


class Call(torch.nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


def to_onnx(function: Callable, inputs: tuple, shapes: tuple) -> Callable:
    program = torch.export.export(Call(function), inputs, dynamic_shapes=(shapes,))
    exported = torch.onnx.export(program, opset_version=18, custom_translation_table=onnx_translations(), verbose=False)
    graph = OnnxGraph(exported.model_proto.SerializeToString())
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
