"""Conversion of Detectron 1's weights."""

import torch

from detectory.compat.detectron1 import convert_weights


def test_anchors_are_reordered_for_c4_but_not_for_fpn():
    order = torch.arange(15.0)
    c4 = convert_weights({"rpn_cls_logits_b": order, "conv_rpn_b": order})
    assert c4["proposal_generator.rpn_head.objectness_logits.bias"].tolist()[:4] == [0, 5, 10, 1]
    assert torch.equal(c4["proposal_generator.rpn_head.conv.bias"], order)
    pyramid = convert_weights({"rpn_bbox_pred_fpn2_b": torch.arange(12.0)})
    assert torch.equal(pyramid["proposal_generator.rpn_head.anchor_deltas.bias"], torch.arange(12.0))
