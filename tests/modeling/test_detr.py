"""DETR: matching, losses, positions and the whole model."""

import itertools
import math

import pytest
import torch
from tests.modeling import tiny_models

from detectory.modeling.detr import DETR, DETRTransformer, HungarianMatcher, SetCriterion, SinePositionEncoding
from detectory.modeling.detr.matcher import corners_of, normalized_boxes
from detectory.structures import Boxes, Instances

CLASSES = 3


def instances(boxes, classes, size=(64, 96)):
    return Instances(size, gt_boxes=Boxes(torch.tensor(boxes)), gt_classes=torch.tensor(classes, dtype=torch.int64))


def tiny_detr():
    torch.manual_seed(0)
    backbone = tiny_models.backbone().bottom_up
    return DETR(
        backbone=backbone,
        in_feature=list(backbone.output_shape())[-1],
        position_encoding=SinePositionEncoding(num_features=16),
        transformer=DETRTransformer(
            channels=32, num_heads=4, hidden=64, num_encoder_layers=1, num_decoder_layers=2, dropout=0.0
        ),
        criterion=SetCriterion(num_classes=CLASSES),
        num_queries=10,
        num_classes=CLASSES,
        pixel_mean=[100.0, 100.0, 100.0],
        pixel_std=[50.0, 50.0, 50.0],
    )


def test_matcher_finds_the_assignment_of_the_lowest_cost():
    torch.manual_seed(1)
    probabilities, boxes = torch.rand(1, 5, CLASSES).softmax(-1), torch.rand(1, 5, 4) * 0.5 + 0.2
    targets = instances([[10.0, 10, 40, 50], [50.0, 5, 90, 40], [5.0, 30, 30, 60]], [0, 2, 1])
    matcher = HungarianMatcher()
    cost = matcher._cost(probabilities[0], boxes[0], targets)
    rows, columns = matcher(probabilities, boxes, [targets])[0]
    best = min(sum(cost[q, i] for i, q in enumerate(p)) for p in itertools.permutations(range(5), 3))
    assert cost[rows, columns].sum() == pytest.approx(float(best), abs=1e-5)
    assert sorted(columns.tolist()) == [0, 1, 2]


def test_matcher_rejects_nan_predictions():
    with pytest.raises(FloatingPointError, match="infinite values or NaN"):
        HungarianMatcher()(torch.full((1, 2, 3), math.nan), torch.rand(1, 2, 4), [instances([[0.0, 0, 9, 9]], [0])])


def test_perfect_predictions_have_almost_no_loss():
    targets = instances([[10.0, 10, 40, 50], [50.0, 5, 90, 40]], [0, 2])
    boxes = torch.cat((normalized_boxes(targets), torch.full((1, 4), 0.3)))[None, None]
    logits = torch.full((1, 1, 3, CLASSES + 1), -20.0)
    for query, label in enumerate((0, 2, CLASSES)):
        logits[0, 0, query, label] = 20.0
    losses = SetCriterion(num_classes=CLASSES)(logits, boxes, [targets])
    assert set(losses) == {"loss_ce", "loss_bbox", "loss_giou"}
    assert all(value.abs() < 1e-5 for value in losses.values())


def test_losses_of_images_without_objects_are_finite():
    empty = instances(torch.zeros(0, 4).tolist(), [])
    losses = SetCriterion(num_classes=CLASSES)(torch.zeros(2, 1, 4, CLASSES + 1), torch.rand(2, 1, 4, 4), [empty])
    assert losses["loss_ce_0"] == pytest.approx(math.log(CLASSES + 1), abs=1e-5)
    assert losses["loss_bbox"] == losses["loss_giou"] == 0


def test_boxes_are_converted_to_corners_and_back():
    targets = instances([[10.0, 20, 40, 50]], [0])
    corners = corners_of(normalized_boxes(targets)) * torch.tensor([96.0, 64, 96, 64])
    assert torch.allclose(corners, targets.gt_boxes.tensor)


def test_positions_are_relative_to_the_image_without_padding():
    encoding = SinePositionEncoding(num_features=8)
    image = torch.zeros(1, 4, 6, dtype=torch.bool)
    padded = torch.ones(1, 6, 8, dtype=torch.bool)
    padded[:, :4, :6] = False
    assert encoding(image).shape == (1, 16, 4, 6)
    assert torch.allclose(encoding(image), encoding(padded)[..., :4, :6], atol=1e-5)


def test_detections_are_sorted_and_one_per_query():
    model = tiny_detr().eval()
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        alone = model([{"image": image}])[0]["instances"]
        logits, boxes = model.predict(model.preprocess_image([{"image": image}]))
    assert logits.shape == (2, 1, 10, CLASSES + 1)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert len(alone) == 10
    assert (alone.scores[:-1] >= alone.scores[1:]).all()


@pytest.mark.slow
def test_model_learns_an_image():
    torch.manual_seed(0)
    model = tiny_detr().train()
    image = torch.zeros(3, 64, 96, dtype=torch.uint8)
    image[:, 10:50, 10:40], image[0, 5:40, 50:90] = 255, 200
    item = {"image": image, "instances": instances([[10.0, 10, 40, 50], [50.0, 5, 90, 40]], [0, 2])}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(300):
        loss = sum(model([item]).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        found = model.eval()([item])[0]["instances"][:2]
    order = found.pred_classes.argsort()
    assert found.pred_classes[order].tolist() == [0, 2]
    assert found.scores.min() > 0.5
    assert torch.allclose(found.pred_boxes.tensor[order], item["instances"].gt_boxes.tensor, atol=4)


def test_training_needs_ground_truth():
    model = tiny_detr().train()
    with pytest.raises(ValueError, match="DETR: inputs must have 'instances' in training"):
        model([{"image": torch.zeros(3, 64, 64)}])
