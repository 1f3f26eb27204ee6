"""Round trips of `Instances` through torchvision, supervision and COCO results."""

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
    """Return two predictions with masks, keypoints and track ids."""
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
    """Replace supervision with a stub; its `Detections` only stores its arguments."""
    stub = SimpleNamespace(Detections=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "supervision", stub)
    return stub


def _assert_equal_fields(one, other, fields):
    for name in fields:
        first, second = (getattr(item.get(name), "tensor", item.get(name)) for item in (one, other))
        assert torch.equal(torch.as_tensor(first), torch.as_tensor(second)), name
    assert one.image_size == other.image_size


def test_torchvision_round_trip_preserves_predictions(predictions):
    outputs = to_torchvision(predictions)
    assert outputs["labels"].tolist() == [5, 1]
    assert outputs["masks"].shape == (2, 1, *SIZE)
    fields = ("pred_boxes", "scores", "pred_classes", "pred_masks", "pred_keypoints")
    _assert_equal_fields(from_torchvision(outputs, SIZE), predictions, fields)


def test_to_torchvision_converts_ground_truth():
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


def test_torchvision_masks_are_thresholded_at_one_half():
    outputs = {"boxes": torch.zeros(1, 4), "masks": torch.tensor([[[[0.49, 0.5]]]])}
    assert from_torchvision(outputs, (1, 2)).pred_masks.tolist() == [[[False, True]]]


def test_to_torchvision_rejects_rotated_boxes():
    rotated = Instances(SIZE, pred_boxes=RotatedBoxes(torch.tensor([[5.0, 5.0, 4.0, 2.0, 30.0]])))
    with pytest.raises(ValueError, match="must be axis-aligned, got rotated boxes"):
        to_torchvision(rotated)


def test_rejects_instances_without_boxes():
    with pytest.raises(ValueError, match=r"must have a field pred_boxes or gt_boxes, got \['scores'\]"):
        to_torchvision(Instances(SIZE, scores=torch.ones(1)))


def test_supervision_round_trip_preserves_predictions(predictions, supervision):
    detections = to_supervision(predictions, class_names=list("abcde"))
    assert detections.data["class_name"].tolist() == ["e", "a"]
    assert detections.tracker_id.tolist() == [7, 3]
    _assert_equal_fields(
        from_supervision(detections, SIZE), predictions, ("pred_boxes", "scores", "pred_classes", "pred_masks", "ID")
    )


def test_supervision_round_trip_preserves_rotated_boxes(supervision):
    boxes = torch.tensor([[10.0, 8.0, 6.0, 2.0, 30.0], [15.0, 10.0, 4.0, 8.0, -75.0]])
    detections = to_supervision(Instances(SIZE, pred_boxes=RotatedBoxes(boxes)))
    assert detections.xyxy[0].tolist() == pytest.approx([6.902, 5.634, 13.098, 10.366], abs=1e-3)
    assert torch.allclose(from_supervision(detections, SIZE).pred_boxes.tensor, boxes, atol=1e-4)


@pytest.mark.parametrize("rotated", [False, True], ids=["upright", "rotated"])
def test_supervision_round_trip_of_zero_detections(supervision, rotated):
    boxes = RotatedBoxes(torch.zeros(0, 5)) if rotated else Boxes(torch.zeros(0, 4))
    assert len(from_supervision(to_supervision(Instances(SIZE, pred_boxes=boxes)), SIZE)) == 0


@pytest.mark.slow
def test_installed_supervision_accepts_our_detections(predictions):
    installed = pytest.importorskip("supervision", reason="pip install 'detectory-structures[supervision]'")
    detections = to_supervision(predictions)
    assert isinstance(detections, installed.Detections)
    _assert_equal_fields(
        from_supervision(detections[[1, 0]], SIZE)[[1, 0]], predictions, ("pred_boxes", "scores", "pred_classes")
    )


def test_missing_supervision_reports_the_install_command(predictions, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match=r"pip install 'detectory-structures\[supervision\]'"):
        to_supervision(predictions)


def test_coco_results_become_predictions(predictions):
    masks = ops.rle_encode(predictions.pred_masks)
    entries = [
        {"category_id": 18, "score": 0.5, "bbox": [3, 2, 6, 6], "segmentation": masks[0], "keypoints": [1, 2, 2]},
        {"category_id": 1, "score": 0.25, "bbox": [10, 5, 18, 10], "segmentation": masks[1], "keypoints": [3, 4, 1]},
    ]
    results = from_coco_results(entries, SIZE, category_ids=[1, 18])
    assert results.pred_classes.tolist() == [1, 0]
    assert results.pred_keypoints.tolist() == [[[1.5, 2.5, 2]], [[3.5, 4.5, 1]]]
    _assert_equal_fields(results, predictions, ("pred_boxes", "pred_masks"))


def test_empty_coco_results_become_zero_predictions():
    results = from_coco_results([], SIZE)
    assert (len(results), results.pred_boxes.tensor.shape) == (0, (0, 4))


def test_from_coco_results_rejects_unknown_categories():
    with pytest.raises(ValueError, match="category_id 5 is not in category_ids"):
        from_coco_results([{"category_id": 5, "score": 1.0}], SIZE, category_ids=[1])


def test_from_coco_results_rejects_different_keys():
    with pytest.raises(ValueError, match=r"in entry 0 and \['category_id'\] in entry 1"):
        from_coco_results([{"category_id": 0, "score": 1.0}, {"category_id": 0}], SIZE)
