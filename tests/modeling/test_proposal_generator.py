import pytest
import torch

from detectory.modeling.proposal_generator import add_ground_truth_to_proposals, find_top_rpn_proposals
from detectory.structures import Boxes, Instances


def test_nms_of_proposals_is_applied_within_each_level():
    near = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]])
    same_elsewhere = torch.tensor([[[0.0, 0, 10, 10]]])
    scores = [torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0.5]])]
    (found,) = find_top_rpn_proposals([near, same_elsewhere], scores, [(100, 100)], 0.7, 10, 10, 0.0, training=False)
    assert found.objectness_logits.tolist() == [3.0, 1.0, 0.5]


def test_removes_proposals_that_are_outside_the_image_or_not_finite():
    boxes = torch.tensor([[[200.0, 0, 210, 10], [float("inf"), 0, 1, 1], [0, 0, 5, 5]]])
    (found,) = find_top_rpn_proposals([boxes], [torch.tensor([[3.0, 2, 1]])], [(100, 100)], 0.7, 10, 10, 0.0, False)
    assert found.proposal_boxes.tensor.tolist() == [[0.0, 0.0, 5.0, 5.0]]


def test_number_of_proposals_is_limited():
    corner = torch.rand(1, 50, 2) * 500
    boxes = torch.cat((corner, corner + 2), dim=2)
    (found,) = find_top_rpn_proposals([boxes], [torch.rand(1, 50)], [(600, 600)], 0.7, 20, 7, 0.0, False)
    assert len(found) == 7


def test_ground_truth_is_appended_to_proposals_with_certainty():
    proposals = Instances((9, 9), proposal_boxes=Boxes(torch.rand(2, 4)), objectness_logits=torch.zeros(2))
    truth = Instances((9, 9), gt_boxes=Boxes(torch.tensor([[1.0, 1, 2, 2]])))
    (joined,) = add_ground_truth_to_proposals([truth], [proposals])
    assert len(joined) == 3
    assert joined.proposal_boxes.tensor[2].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert torch.sigmoid(joined.objectness_logits[2]) == pytest.approx(1.0)
