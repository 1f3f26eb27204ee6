"""Comparison of the outputs of two models."""

import pytest
import torch

from detectory.export import ExportDisagreement, Tolerance, verify
from detectory.export.comparison import require_agreement
from detectory.structures import Boxes, Instances


class Fixed(torch.nn.Module):
    """A model with constant outputs."""

    def __init__(self, **outputs) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, batched_inputs: list) -> list[dict]:
        return [self.outputs for _ in batched_inputs]


def detections(shift: float = 0.0, classes: tuple = (1, 2), scores: tuple = (0.9, 0.5), **fields) -> Fixed:
    boxes = Boxes(torch.tensor([[10.0, 10, 50, 50], [60, 60, 90, 99]]) + shift)
    instances = Instances((100, 100), pred_boxes=boxes, scores=torch.tensor(scores), pred_classes=torch.tensor(classes))
    for name, value in fields.items():
        instances.set(name, value)
    return Fixed(instances=instances)


def test_equal_outputs_agree():
    agreement = verify(detections(), detections(), [{}, {}])
    assert (agreement.images, agreement.detections, agreement.matched, agreement.boxes) == (2, 4, 4, 0)
    assert agreement.problems(Tolerance()) == []


def test_order_does_not_matter():
    ours, theirs = detections(), detections()
    theirs.outputs["instances"] = theirs.outputs["instances"][[1, 0]]
    assert verify(ours, theirs, [{}]).problems(Tolerance()) == []


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (detections(shift=0.7), "boxes: 0.7, allowed 0.5 (image 1)"),
        (detections(scores=(0.9, 0.45)), "scores: 0.05, allowed 0.01 (image 1)"),
        (detections(classes=(1, 3)), "unmatched: 0.5, allowed 0.02 (image 1)"),
        (detections(shift=30), "unmatched: 1, allowed 0.02 (image 1)"),
    ],
    ids=["boxes", "scores", "classes", "other location"],
)
def test_problems_name_the_difference_and_its_limit(other, problem):
    assert verify(detections(), other, [{}]).problems(Tolerance()) == [problem]


def test_mask_difference_is_a_fraction_of_pixels():
    masks = torch.zeros(2, 100, 100, dtype=torch.bool)
    masks[:, :10, :10] = True
    fewer = masks.clone()
    fewer[0, 0, :10] = False
    agreement = verify(detections(pred_masks=masks), detections(pred_masks=fewer), [{}])
    assert agreement.masks == pytest.approx(0.05)
    assert agreement.problems(Tolerance()) == ["masks: 0.05, allowed 0.02 (image 1)"]


def test_nan_is_a_problem():
    assert verify(detections(), detections(scores=(float("nan"), 0.5)), [{}]).problems(Tolerance())


def test_semantic_labels_are_compared_pixel_by_pixel():
    ours, theirs = torch.zeros(2, 10, 10), torch.zeros(2, 10, 10)
    theirs[1, 0, 0] = 1
    assert verify(Fixed(sem_seg=ours), Fixed(sem_seg=theirs), [{}]).labels == pytest.approx(0.01)


def test_disagreement_raises_with_the_measured_differences():
    with pytest.raises(ExportDisagreement, match=r"unmatched: 1, allowed 0.02.*nothing was written.*2 detections"):
        require_agreement(detections(), detections(shift=30), [{}], None)


def test_rejects_empty_inputs():
    with pytest.raises(ValueError, match="verify: inputs must contain at least one image"):
        verify(detections(), detections(), [])
