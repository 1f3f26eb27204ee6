"""Traced models with Detectory's operators export to ONNX with `dynamo=False` and return the same results."""

import io
from collections.abc import Callable

import onnxruntime
import pytest
import torch
from tests.export.call import Call

import detectory.export.torchscript  # noqa: F401 (registers the translations)
from detectory import ops
from detectory.structures import heatmaps_to_keypoints

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")


def to_onnx(function: Callable, *inputs: torch.Tensor, opset: int = 16) -> Callable:
    names = [f"x{i}" for i in range(len(inputs))]
    axes = {name: {d: f"{name}_{d}" for d in range(x.dim())} for name, x in zip(names, inputs, strict=True)}
    file = io.BytesIO()
    torch.onnx.export(
        Call(function), inputs, file, input_names=names, dynamic_axes=axes, opset_version=opset, dynamo=False
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return lambda *x: torch.from_numpy(session.run(None, dict(zip(names, (v.numpy() for v in x), strict=True)))[0])


def random_boxes(count: int, levels: int = 1000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    corner = torch.rand(count, 2) * 100
    boxes = torch.cat([corner, corner + 5 + torch.rand(count, 2) * 40], dim=1)
    return boxes, (torch.rand(count) * levels).round() / levels, torch.randint(0, 4, (count,))


def rois(count: int) -> torch.Tensor:
    return torch.cat([torch.randint(0, 2, (count, 1)).float(), random_boxes(count)[0]], dim=1)


@pytest.mark.parametrize("opset", [12, 16])
def test_nms_keeps_the_same_boxes_in_the_same_order(opset):
    def single(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return ops.nms(boxes, scores, 0.5)

    graph = to_onnx(single, *random_boxes(20)[:2], opset=opset)
    for count in (0, 1, 200):
        inputs = random_boxes(count)[:2]
        assert graph(*inputs).tolist() == single(*inputs).tolist()


@pytest.mark.parametrize("levels", [1000, 5], ids=["distinct scores", "ties"])
def test_batched_nms_keeps_the_same_boxes_in_the_same_order(levels):
    def batched(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return ops.batched_nms(boxes, scores, classes, 0.5)

    graph = to_onnx(batched, *random_boxes(20))
    for count in (0, 1, 200):
        inputs = random_boxes(count, levels)
        assert graph(*inputs).tolist() == batched(*inputs).tolist()


@pytest.mark.parametrize(("aligned", "samples"), [(True, 0), (False, 2)], ids=["aligned", "legacy with two samples"])
def test_roi_align_pools_the_same_features(aligned, samples):
    def pool(maps: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return ops.roi_align(maps, regions, (7, 5), 0.25, samples, aligned)

    graph = to_onnx(pool, torch.rand(2, 8, 30, 40), rois(5))
    inputs = torch.rand(2, 8, 25, 33), rois(30)
    torch.testing.assert_close(graph(*inputs), pool(*inputs))


def test_roi_align_before_half_pixels_shifts_the_regions_and_warns():
    def pool(maps: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return ops.roi_align(maps, regions, 7, 0.25, 2, True)

    inputs = torch.rand(2, 8, 30, 40), rois(5)
    with pytest.warns(UserWarning, match="pass opset_version=16"):
        graph = to_onnx(pool, *inputs, opset=12)
    torch.testing.assert_close(graph(*inputs), pool(*inputs))


@pytest.mark.parametrize("threshold", [0.5, -1.0], ids=["bits", "values"])
def test_pasted_masks_have_the_same_pixels(threshold):
    def paste(masks: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        return ops.paste_masks(masks, boxes, (90, 120), threshold)

    graph = to_onnx(paste, torch.rand(3, 14, 14), random_boxes(3)[0])
    boxes = torch.cat([random_boxes(20)[0], torch.tensor([[5.0, 5, 5, 9], [-30.0, -30, 300, 300]])])
    inputs = torch.rand(22, 14, 14), boxes
    difference = graph(*inputs).int() - paste(*inputs).int()
    assert difference.shape == (22, 90, 120)
    # Rounding differs: a value of exactly the threshold may fall on the other side, a truncated value by one.
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 1e-4


def test_keypoints_are_located_for_any_number_of_boxes():
    def inputs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(count)
        corners = torch.rand(count, 2) * 20
        return torch.rand(count, 3, 14, 14), torch.cat([corners, corners + 5 + 10 * torch.rand(count, 2)], dim=1)

    located = to_onnx(heatmaps_to_keypoints, *inputs(2))(*inputs(4))
    torch.testing.assert_close(located, heatmaps_to_keypoints(*inputs(4)), atol=1e-3, rtol=1e-3)
