import pytest
import torch

from detectory.core.checkpoint import convert_caffe2_names, match_state_dict
from detectory.core.checkpoint.caffe2_names import convert_basic_names


@pytest.mark.parametrize(
    ("blob", "name"),
    [
        ("conv1_w", "stem.conv1.weight"),
        ("res_conv1_bn_s", "stem.conv1.norm.weight"),
        ("res_conv1_bn_b", "stem.conv1.norm.bias"),
        ("res2_0_branch1_w", "res2.0.shortcut.weight"),
        ("res2_0_branch1_bn_s", "res2.0.shortcut.norm.weight"),
        ("res3_3_branch2a_w", "res3.3.conv1.weight"),
        ("res4_22_branch2b_bn_riv", "res4.22.conv2.norm.running_var"),
        ("res5_2_branch2c_gn_b", "res5.2.conv3.norm.bias"),
        ("fc1000_w", "fc1000.weight"),
        ("fpn_inner_res5_2_sum_w", "fpn_lateral5.weight"),
        ("fpn_inner_res4_22_sum_lateral_b", "fpn_lateral4.bias"),
        ("fpn_res2_2_sum_w", "fpn_output2.weight"),
        ("fpn_6_w", "top_block.p6.weight"),
        ("conv_rpn_fpn2_w", "proposal_generator.rpn_head.conv.weight"),
        ("conv_rpn_b", "proposal_generator.rpn_head.conv.bias"),
        ("rpn_cls_logits_fpn2_w", "proposal_generator.rpn_head.objectness_logits.weight"),
        ("rpn_bbox_pred_w", "proposal_generator.rpn_head.anchor_deltas.weight"),
        ("fc6_w", "box_head.fc1.weight"),
        ("head_conv2_gn_s", "box_head.conv2.norm.weight"),
        ("_[mask]_fcn1_w", "mask_head.mask_fcn1.weight"),
        ("conv5_mask_w", "mask_head.deconv.weight"),
        ("conv_fcn8_w", "keypoint_head.conv_fcn8.weight"),
        ("kps_score_lowres_w", "keypoint_head.score_lowres.weight"),
        ("retnet_cls_conv_n3_fpn3_w", "head.cls_subnet.6.weight"),
        ("retnet_bbox_pred_fpn3_b", "head.bbox_pred.bias"),
    ],
)
def test_converts_blob_names_to_parameter_names(blob, name):
    assert convert_basic_names([blob]) == [name]


def test_moves_the_background_from_the_first_class_to_the_last():
    weights, _ = convert_caffe2_names({"cls_score_b": torch.tensor([9.0, 1.0, 2.0])})
    assert weights["box_predictor.cls_score.bias"].tolist() == [1, 2, 9]


def test_drops_boxes_and_masks_of_the_background():
    weights, _ = convert_caffe2_names({"bbox_pred_b": torch.arange(12.0), "mask_fcn_logits_b": torch.arange(3.0)})
    assert weights["box_predictor.bbox_pred.bias"].tolist() == list(range(4, 12))
    assert weights["mask_head.predictor.bias"].tolist() == [1, 2]


def test_keeps_class_agnostic_boxes_and_masks():
    weights, _ = convert_caffe2_names({"bbox_pred_b": torch.arange(4.0), "mask_fcn_logits_b": torch.arange(1.0)})
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        "box_predictor.bbox_pred.bias": (4,),
        "mask_head.predictor.bias": (1,),
    }


def test_matches_the_longest_common_suffix():
    model = {"backbone.stem.conv.weight": torch.zeros(2), "head.conv.weight": torch.zeros(2)}
    checkpoint = {"stem.conv.weight": torch.ones(2), "head.conv.weight": torch.full((2,), 2.0)}
    matched = match_state_dict(model, checkpoint, caffe2_conversion=False)
    assert {name: tensor[0].item() for name, tensor in matched.items()} == {
        "backbone.stem.conv.weight": 1,
        "head.conv.weight": 2,
    }


def test_names_match_only_after_a_dot():
    assert list(match_state_dict({"a.myconv.w": torch.zeros(1)}, {"conv.w": torch.zeros(1)}, False)) == ["conv.w"]


def test_reports_a_shape_mismatch(caplog):
    matched = match_state_dict({"a.w": torch.zeros(2)}, {"w": torch.zeros(3)}, caffe2_conversion=False)
    assert list(matched) == ["w"]
    assert "'w' has shape (3,) in the checkpoint, but 'a.w' has shape (2,) in the model" in caplog.text


def test_rejects_an_ambiguous_name():
    model = {"a.conv.w": torch.zeros(1), "b.conv.w": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"'conv.w' of the checkpoint matches both 'a.conv.w' and 'b.conv.w'"):
        match_state_dict(model, {"conv.w": torch.zeros(1)}, caffe2_conversion=False)
