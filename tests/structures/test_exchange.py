"""Instances come back from other libraries' formats as they went."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detectory import ops
from detectory.structures import Boxes, Instances, Keypoints, PolygonMasks, RotatedBoxes
from detectory.structures.exchange import (
    from_coco_results,
    from_supervision,
    from_torchvision,
    to_supervision,
    to_torchvision,
)

SIZE = (20, 30)


@pytest.fixture
def predictions():
    """Two predictions with masks, keypoints and numbers of a tracker."""
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 2:8, 3:9], masks[1, 5:15, 10:28] = True, True
    return Instances(
        SIZE,
        pred_boxes=Boxes(torch.tensor([[3.0, 2.0, 9.0, 8.0], [10.0, 5.0, 28.0, 15.0]])),
        scores=torch.tensor([0.9, 0.25]),
        pred_classes=torch.tensor([4, 0]),
        pred_masks=masks,
        pred_keypoints=torch.arange(12.0).reshape(2, 2, 3),
        ID=[7, 3],
    )


@pytest.fixture
def supervision(monkeypatch):
    """A stand-in for supervision, whose Detections holds what it is given."""
    stand_in = SimpleNamespace(Detections=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "supervision", stand_in)
    return stand_in


def _same(one, other, fields):
    for name in fields:
        first, second = (getattr(item.get(name), "tensor", item.get(name)) for item in (one, other))
        assert torch.equal(torch.as_tensor(first), torch.as_tensor(second)), name
    assert one.image_size == other.image_size


def test_torchvisions_dictionary_and_back_changes_nothing(predictions):
    outputs = to_torchvision(predictions)
    assert outputs["labels"].tolist() == [5, 1]
    assert outputs["masks"].shape == (2, 1, *SIZE)
    fields = ("pred_boxes", "scores", "pred_classes", "pred_masks", "pred_keypoints")
    _same(from_torchvision(outputs, SIZE), predictions, fields)


def test_ground_truth_becomes_a_torchvision_target():
    polygons = PolygonMasks([[np.array([3.0, 2.0, 9.0, 2.0, 9.0, 8.0, 3.0, 8.0])]])
    target = to_torchvision(
        Instances(
            SIZE,
            gt_boxes=Boxes(torch.tensor([[3.0, 2.0, 9.0, 8.0]])),
            gt_classes=torch.tensor([2]),
            gt_masks=polygons,
            gt_keypoints=Keypoints(torch.ones(1, 2, 3)),
        ),
        first_label=0,
    )
    assert (target["labels"].tolist(), target["masks"].sum().item()) == ([2], 36)
    assert "scores" not in target


def test_soft_masks_of_torchvision_are_inside_from_a_half_on():
    outputs = {"boxes": torch.zeros(1, 4), "masks": torch.tensor([[[[0.49, 0.5]]]])}
    assert from_torchvision(outputs, (1, 2)).pred_masks.tolist() == [[[False, True]]]


def test_torchvision_knows_no_rotated_boxes():
    rotated = Instances(SIZE, pred_boxes=RotatedBoxes(torch.tensor([[5.0, 5.0, 4.0, 2.0, 30.0]])))
    with pytest.raises(ValueError, match="no rotated boxes"):
        to_torchvision(rotated)


def test_rejects_instances_without_boxes():
    with pytest.raises(ValueError, match=r"expected a field pred_boxes or gt_boxes, there are \['scores'\]"):
        to_torchvision(Instances(SIZE, scores=torch.ones(1)))


def test_supervisions_detections_and_back_change_nothing(predictions, supervision):
    detections = to_supervision(predictions, class_names=list("abcde"))
    assert detections.data["class_name"].tolist() == ["e", "a"]
    assert detections.tracker_id.tolist() == [7, 3]
    _same(from_supervision(detections, SIZE), predictions, ("pred_boxes", "scores", "pred_classes", "pred_masks", "ID"))


def test_rotated_boxes_go_through_supervision(supervision):
    boxes = torch.tensor([[10.0, 8.0, 6.0, 2.0, 30.0], [15.0, 10.0, 4.0, 8.0, -75.0]])
    detections = to_supervision(Instances(SIZE, pred_boxes=RotatedBoxes(boxes)))
    assert detections.xyxy[0].tolist() == pytest.approx([6.902, 5.634, 13.098, 10.366], abs=1e-3)
    assert torch.allclose(from_supervision(detections, SIZE).pred_boxes.tensor, boxes, atol=1e-4)


@pytest.mark.parametrize("rotated", [False, True], ids=["upright", "rotated"])
def test_supervision_takes_no_detections(supervision, rotated):
    boxes = RotatedBoxes(torch.zeros(0, 5)) if rotated else Boxes(torch.zeros(0, 4))
    assert len(from_supervision(to_supervision(Instances(SIZE, pred_boxes=boxes)), SIZE)) == 0


@pytest.mark.slow
def test_the_real_supervision_takes_our_detections(predictions):
    real = pytest.importorskip("supervision", reason="pip install 'detectory-structures[supervision]'")
    detections = to_supervision(predictions)
    assert isinstance(detections, real.Detections)
    _same(from_supervision(detections[[1, 0]], SIZE)[[1, 0]], predictions, ("pred_boxes", "scores", "pred_classes"))


def test_missing_supervision_names_the_install_command(predictions, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match=r"pip install 'detectory-structures\[supervision\]'"):
        to_supervision(predictions)


def test_coco_results_become_predictions(predictions):
    masks = ops.rle_encode(predictions.pred_masks)
    entries = [
        {"category_id": 18, "score": 0.5, "bbox": [3, 2, 6, 6], "segmentation": masks[0], "keypoints": [1, 2, 2]},
        {"category_id": 1, "score": 0.25, "bbox": [10, 5, 18, 10], "segmentation": masks[1], "keypoints": [3, 4, 1]},
    ]
    found = from_coco_results(entries, SIZE, category_ids=[1, 18])
    assert found.pred_classes.tolist() == [1, 0]
    assert found.pred_keypoints.tolist() == [[[1.5, 2.5, 2]], [[3.5, 4.5, 1]]]
    _same(found, predictions, ("pred_boxes", "pred_masks"))


def test_no_coco_results_are_no_predictions():
    found = from_coco_results([], SIZE)
    assert (len(found), found.pred_boxes.tensor.shape) == (0, (0, 4))


def test_an_unknown_category_is_named():
    with pytest.raises(ValueError, match="category_id 5 is not among"):
        from_coco_results([{"category_id": 5, "score": 1.0}], SIZE, category_ids=[1])


def test_entries_that_differ_in_their_fields_are_named():
    with pytest.raises(ValueError, match="entry 1 has"):
        from_coco_results([{"category_id": 0, "score": 1.0}, {"category_id": 0}], SIZE)
