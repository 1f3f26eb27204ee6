"""Structures in torch.export, torch.compile, torch.jit and as pytrees."""

import pytest
import torch
from torch.utils import _pytree as pytree

from detectory.structures import BitMasks, Boxes, ImageList, Instances, Keypoints, ROIMasks, RotatedBoxes

AUTO = torch.export.Dim.AUTO
# TorchScript is deprecated since torch 2.13, but scripts written for Detectron2 still need it.
ignores_deprecation = pytest.mark.filterwarnings(
    "ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


class Detect(torch.nn.Module):
    """Typical use of structures in a detector."""

    def forward(
        self, images: list[torch.Tensor], boxes: torch.Tensor, scores: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        batch = ImageList.from_tensors(images, 32)
        detections = Instances(batch.image_sizes[0], boxes=Boxes(boxes), scores=scores)
        detections.boxes.clip(detections.image_size)
        detections = detections[detections.boxes.nonempty() & (detections.scores > 0.1)]
        detections.boxes.scale(2.0, 3.0)
        both = Instances.cat([detections, detections])
        return batch.tensor, both.boxes.tensor, both.scores


def detect_inputs(height: int, width: int, boxes: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    images = [torch.rand(3, height, 50), torch.rand(3, 40, width)]
    return images, torch.rand(boxes, 4) * 60, torch.rand(boxes)


def check_other_sizes(graph) -> None:
    for inputs in (detect_inputs(40, 50, 5), detect_inputs(70, 90, 9), detect_inputs(33, 20, 2)):
        torch.testing.assert_close(graph(*inputs), Detect()(*inputs))


def test_exports_with_dynamic_shapes():
    shapes = ([{1: AUTO, 2: AUTO}] * 2, {0: AUTO}, {0: AUTO})
    exported = torch.export.export(Detect(), detect_inputs(41, 52, 6), dynamic_shapes=shapes)
    check_other_sizes(exported.module())


def test_compiles_without_graph_breaks():
    check_other_sizes(torch.compile(Detect(), fullgraph=True, dynamic=True, backend="eager"))


@ignores_deprecation
def test_traces_with_dynamic_shapes():
    check_other_sizes(torch.jit.trace(Detect(), detect_inputs(41, 52, 6), check_trace=False))


class Scriptable(torch.nn.Module):
    def forward(self, tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
        boxes = Boxes(tensor)
        boxes.clip((40, 30))
        boxes.scale(2.0, 3.0)
        kept = boxes[boxes.nonempty()]
        return kept.tensor, kept.area(), len(kept)


@ignores_deprecation
def test_boxes_compile_with_torchscript():
    boxes = torch.rand(5, 4) * 50
    torch.testing.assert_close(torch.jit.script(Scriptable())(boxes), Scriptable()(boxes))


class ScriptableRotated(torch.nn.Module):
    def forward(self, tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        boxes = RotatedBoxes(tensor).clone().to(tensor.device)
        boxes.clip((40, 30))
        boxes.scale(2.0, 3.0)
        kept = boxes[boxes.nonempty() & boxes.inside_box((90, 90))]
        return boxes.cat([boxes, kept]).tensor, kept.area(), kept.get_centers(), len(kept)


@ignores_deprecation
def test_rotated_boxes_compile_with_torchscript():
    boxes = torch.rand(5, 5) * 50
    torch.testing.assert_close(torch.jit.script(ScriptableRotated())(boxes), ScriptableRotated()(boxes))


class Halve(torch.nn.Module):
    def forward(self, detections: Instances) -> Instances:
        return Instances((5, 6), boxes=Boxes(detections.boxes.tensor / 2), scores=detections.scores)


def test_exported_programs_accept_and_return_instances(tmp_path):
    detections = Instances((10, 12), boxes=Boxes(torch.ones(2, 4)), scores=torch.ones(2))
    torch.export.save(torch.export.export(Halve(), (detections,)), tmp_path / "halve.pt2")
    halved = torch.export.load(tmp_path / "halve.pt2").module()(detections)
    assert (type(halved), halved.image_size) == (Instances, (5, 6))
    assert halved.boxes.tensor.tolist() == [[0.5] * 4] * 2


@pytest.mark.parametrize(
    "structure",
    [
        Boxes(torch.ones(2, 4)),
        RotatedBoxes(torch.ones(2, 5)),
        BitMasks(torch.ones(2, 3, 3)),
        ROIMasks(torch.ones(2, 3, 3)),
        Keypoints(torch.ones(2, 3, 3)),
        ImageList.from_tensors([torch.ones(3, 3)]),
        Instances((3, 3), boxes=Boxes(torch.ones(2, 4))),
    ],
    ids=lambda structure: type(structure).__name__,
)
def test_structures_are_pytrees(structure):
    leaves, spec = pytree.tree_flatten(structure)
    rebuilt = pytree.tree_unflatten([leaf + 0 for leaf in leaves], pytree.treespec_loads(pytree.treespec_dumps(spec)))
    assert type(rebuilt) is type(structure)
    assert repr(rebuilt) == repr(structure)
    assert str(pytree.tree_flatten_with_path(structure)[0][0][0][0]) in (".tensor", ".boxes")
