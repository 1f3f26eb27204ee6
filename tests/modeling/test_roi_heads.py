import pytest
import torch
from torch.nn import functional as F

from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.roi_heads import (
    FastRCNNOutputLayers,
    fast_rcnn_inference,
    mask_rcnn_loss,
    select_foreground_proposals,
    select_proposals_with_visible_keypoints,
)
from detectory.modeling.roi_heads.federated_loss import federated_classes, sigmoid_cross_entropy
from detectory.structures import Boxes, Instances, Keypoints

from . import tiny_models


def test_detections_are_selected_per_class_above_the_threshold():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9.5]])
    scores = torch.tensor([[0.9, 0.6, 0.1], [0.8, 0.0, 0.2]])
    (found,), (rows,) = fast_rcnn_inference([boxes], [scores], [(20, 20)], 0.5, 0.5, 10)
    assert list(zip(found.pred_classes.tolist(), rows.tolist(), strict=True)) == [(0, 0), (1, 0)]


def test_non_finite_region_is_not_detected():
    boxes = torch.tensor([[0.0, 0, 10, float("nan")], [0, 0, 5, 5]])
    (found,), _ = fast_rcnn_inference([boxes], [torch.full((2, 2), 0.9)], [(20, 20)], 0.5, 0.5, 10)
    assert found.pred_boxes.tensor.tolist() == [[0.0, 0.0, 5.0, 5.0]]


def predictor(**kwargs):
    return FastRCNNOutputLayers(4, box2box_transform=Box2BoxTransform((1,) * 4), num_classes=3, **kwargs)


def regions():
    boxes = Boxes(torch.tensor([[0.0, 0, 4, 4], [2, 2, 8, 8]]))
    return [Instances((9, 9), proposal_boxes=boxes, gt_boxes=boxes, gt_classes=torch.tensor([1, 3]))]


def test_sigmoid_loss_ignores_the_background_column():
    logits, classes = torch.randn(4, 4), torch.tensor([0, 1, 3, 3])
    wanted = F.binary_cross_entropy_with_logits(logits[:, :3], F.one_hot(classes, 4)[:, :3].float(), reduction="sum")
    assert sigmoid_cross_entropy(logits, classes) == pytest.approx(float(wanted / 4))


def test_federated_classes_include_the_batch_and_are_distinct():
    weight = torch.ones(100)
    weight[50:] = 0
    chosen = federated_classes(torch.tensor([3, 3, 70, 100]), 20, 100, weight).tolist()
    assert len(set(chosen)) == len(chosen) == 20
    assert {3, 70, 100} <= set(chosen)
    assert all(label < 50 for label in chosen if label not in (70, 100))


def test_federated_loss_requires_sigmoids_and_weights():
    with pytest.raises(ValueError, match="use_sigmoid_ce"):
        predictor(use_fed_loss=True)
    with pytest.raises(ValueError, match="must return 3 weights"):
        predictor(use_fed_loss=True, use_sigmoid_ce=True, get_fed_loss_cls_weights=lambda: torch.ones(4))


def test_federated_loss_is_finite():
    layer = predictor(
        use_fed_loss=True,
        use_sigmoid_ce=True,
        get_fed_loss_cls_weights=lambda: torch.ones(3),
        fed_loss_num_classes=2,
    )
    losses = layer.losses(layer(torch.randn(2, 4)), regions())
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize("kind", ["smooth_l1", "giou", "diou", "ciou"])
@pytest.mark.parametrize("agnostic", [False, True])
def test_box_losses_of_correct_boxes_are_zero(kind, agnostic):
    layer = predictor(box_reg_loss_type=kind, cls_agnostic_bbox_reg=agnostic)
    deltas = torch.zeros(2, 4 if agnostic else 12)
    loss = layer.losses((torch.zeros(2, 4), deltas), regions())["loss_box_reg"]
    assert float(loss) == pytest.approx(0.0, abs=1e-5)


def test_loss_weights_apply_by_name():
    layer = predictor(loss_weight={"loss_cls": 2.0})
    plain = predictor()
    values = (torch.randn(2, 4), torch.randn(2, 12))
    assert layer.losses(values, regions())["loss_cls"] == 2 * plain.losses(values, regions())["loss_cls"]
    assert layer.losses(values, regions())["loss_box_reg"] == plain.losses(values, regions())["loss_box_reg"]


def test_predict_boxes_for_gt_classes_selects_the_class_of_each_region():
    layer = predictor()
    deltas = torch.arange(24.0).view(2, 12) / 100
    boxes = layer.predict_boxes((None, deltas), regions())[0].view(2, 3, 4)
    chosen = layer.predict_boxes_for_gt_classes((None, deltas), regions())[0]
    assert torch.equal(chosen, torch.stack((boxes[0, 1], boxes[1, 2])))


def test_sampled_proposals_have_the_fields_of_their_objects():
    heads, truth = tiny_models.standard_heads(), tiny_models.ground_truth()
    boxes = torch.tensor([[9.0, 9, 40, 40], [80, 50, 90, 60]])
    proposals = [Instances((64, 96), proposal_boxes=Boxes(boxes), objectness_logits=torch.zeros(2))]
    (sampled,) = heads.label_and_sample_proposals(proposals, [truth])
    assert sorted(sampled.gt_classes.tolist()) == [0, 0, 2, 3]
    assert sampled.gt_masks.tensor.shape == (4, 64, 96)


def test_mask_loss_without_regions_is_zero_and_differentiable():
    logits = torch.zeros(0, 3, 14, 14, requires_grad=True)
    mask_rcnn_loss(logits, [Instances((9, 9), gt_classes=torch.zeros(0, dtype=torch.long))]).backward()
    assert logits.grad is not None


def test_foreground_excludes_background_and_ignored():
    found, (mask,) = select_foreground_proposals([Instances((9, 9), gt_classes=torch.tensor([0, -1, 3, 2]))], 3)
    assert found[0].gt_classes.tolist() == [0, 2]
    assert mask.tolist() == [True, False, False, True]


def test_selects_proposals_that_contain_a_visible_keypoint():
    points = torch.tensor([[[1.0, 1, 2]], [[1.0, 1, 0]], [[9.0, 9, 2]]])
    boxes = Boxes(torch.tensor([[0.0, 0, 4, 4]] * 3))
    found = Instances((9, 9), proposal_boxes=boxes, gt_keypoints=Keypoints(points), gt_classes=torch.arange(3))
    assert select_proposals_with_visible_keypoints([found])[0].gt_classes.tolist() == [0]
