"""Detectron 1's weights and pixel-inclusive boxes."""

import pytest
import torch
from tests.modeling import tiny_models
from torch import nn

from detectory.compat.detectron1 import (
    LegacyAnchorGenerator,
    LegacyBox2BoxTransform,
    convert_weights,
    use_legacy_layers,
)


def test_anchors_equal_the_published_ones_of_faster_rcnn():
    generator = LegacyAnchorGenerator(sizes=[[128, 256]], aspect_ratios=[0.5, 1.0, 2.0], strides=[16])
    # Published by Ren et al. for base boxes of 16 pixels at scales 8 and 16.
    wanted = [
        [-84, -40, 99, 55],
        [-56, -56, 71, 71],
        [-36, -80, 51, 95],
        [-176, -88, 191, 103],
        [-120, -120, 135, 135],
        [-80, -168, 95, 183],
    ]
    assert torch.equal(generator.cell_anchors[0], torch.tensor(wanted, dtype=torch.float32))
    second = generator([torch.zeros(1, 1, 2, 2)])[0].tensor[6:12]
    assert torch.equal(second, generator.cell_anchors[0] + torch.tensor([16.0, 0, 16, 0]))


def test_deltas_refer_to_pixel_inclusive_widths():
    transform, box = LegacyBox2BoxTransform((1, 1, 1, 1)), torch.tensor([[10.0, 20.0, 19.0, 29.0]])
    assert torch.equal(transform.apply_deltas(torch.zeros(1, 4), box), box)
    doubled = transform.apply_deltas(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), box)
    sides = doubled[:, 2:] - doubled[:, :2] + 1
    assert torch.allclose(sides, 10 * torch.tensor([2.0, 2.0]).exp())


def test_applying_deltas_inverts_computing_them():
    transform = LegacyBox2BoxTransform((10, 10, 5, 5))
    source, target = torch.tensor([[10.0, 20.0, 19.0, 49.0]]), torch.tensor([[5.0, 22.0, 33.0, 41.0]])
    assert torch.allclose(transform.apply_deltas(transform.get_deltas(source, target), source), target, atol=1e-4)


@pytest.mark.parametrize(
    "build", [tiny_models.rcnn, tiny_models.retinanet, lambda: tiny_models.rcnn(tiny_models.cascade_heads())]
)
def test_models_are_switched_to_legacy_layers_without_changing_weights(build):
    model = build().eval()
    names, image = list(model.state_dict()), {"image": torch.zeros(3, 64, 96)}
    assert use_legacy_layers(model) is model
    assert list(model.state_dict()) == names
    assert all(not module.aligned for module in model.modules() if hasattr(module, "aligned"))
    with torch.no_grad():
        model([image])
    with pytest.raises(ValueError, match="must have box deltas"):
        use_legacy_layers(model)


def test_rejects_models_without_boxes():
    with pytest.raises(ValueError, match="must have box deltas, got Linear"):
        use_legacy_layers(nn.Linear(1, 1))


def test_anchors_are_reordered_for_c4_but_not_for_fpn():
    order = torch.arange(15.0)
    c4 = convert_weights({"rpn_cls_logits_b": order, "conv_rpn_b": order})
    assert c4["proposal_generator.rpn_head.objectness_logits.bias"].tolist()[:4] == [0, 5, 10, 1]
    assert torch.equal(c4["proposal_generator.rpn_head.conv.bias"], order)
    pyramid = convert_weights({"rpn_bbox_pred_fpn2_b": torch.arange(12.0)})
    assert torch.equal(pyramid["proposal_generator.rpn_head.anchor_deltas.bias"], torch.arange(12.0))
