"""PointRend's implicit mask head, its semantic head, and the names of older checkpoints."""

import pytest
import torch
from torch import nn

from detectory.core.checkpoint.load_report import load_into
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import SemSegFPNHead
from detectory.projects import point_rend
from detectory.projects.point_rend.detectron2 import add_pointrend_config
from detectory.structures import BitMasks, Boxes, Instances


def test_implicit_head_applies_the_weights_of_each_region():
    head = point_rend.ImplicitPointHead(
        in_channels=3, num_classes=2, channels=5, num_layers=2, positional_encoding_dims=4
    )
    features, points, parameters = torch.rand(2, 3, 6), torch.rand(2, 6, 2), torch.rand(2, head.num_params)
    result = head(features, points, parameters)
    angles = 2 * torch.pi * (2 * points[1] - 1) @ head.positional_encoding_gaussian_matrix
    x = torch.cat((angles.sin(), angles.cos(), features[1].T), dim=1)  # (P, C)
    first, second, biases = parameters[1].split((35, 10, 7))
    hidden = (x @ first.view(5, 7).T + biases[:5]).relu()
    torch.testing.assert_close(result[1].T, hidden @ second.view(2, 5).T + biases[5:])


def implicit_mask_head():
    point_head = point_rend.ImplicitPointHead(in_channels=4, num_classes=3, channels=8, num_layers=2)
    grid_head = point_rend.GridHead(
        in_channels=4, grid_size=6, num_outputs=point_head.num_params, conv_dim=8, fc_dim=16
    )
    return point_rend.ImplicitPointRendMaskHead(
        parameter_head=grid_head,
        point_head=point_head,
        strides={"p2": 4},
        coarse_in_features=["p2"],
        point_in_features=["p2"],
        coarse_grid_size=6,
        subdivision_steps=1,
        subdivision_num_points=36,
    )


def test_implicit_mask_head_trains_and_predicts():
    head, features = implicit_mask_head(), {"p2": torch.rand(1, 4, 16, 16)}
    boxes, classes = Boxes(torch.tensor([[3.0, 4, 40, 50], [0, 0, 64, 64]])), torch.tensor([0, 2])
    masks = BitMasks(torch.rand(2, 64, 64) > 0.5)
    losses = head(features, [Instances((64, 64), proposal_boxes=boxes, gt_classes=classes, gt_masks=masks)])
    assert set(losses) == {"loss_mask_point", "loss_l2"}
    sum(losses.values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.parameters())
    (result,) = head.eval()(features, [Instances((64, 64), pred_boxes=boxes, pred_classes=classes)])
    assert result.pred_masks.shape == (2, 1, 12, 12)


def test_semantic_head_refines_to_the_input_resolution():
    shapes = {"p2": ShapeSpec(channels=4, stride=4), "p3": ShapeSpec(channels=4, stride=8)}
    coarse = SemSegFPNHead(shapes, num_classes=3, conv_dims=8, common_stride=4, ignore_value=255)
    head = point_rend.PointRendSemSegHead(
        coarse_sem_seg_head=coarse,
        point_head=point_rend.StandardPointHead(in_channels=4, num_classes=3, fc_dim=8, coarse_pred_each_layer=False),
        in_features=["p2"],
        train_num_points=50,
        subdivision_num_points=40,
    )
    features = {"p2": torch.rand(2, 4, 8, 10), "p3": torch.rand(2, 4, 4, 5)}
    _, losses = head(features, torch.randint(0, 3, (2, 32, 40)))
    assert set(losses) == {"loss_sem_seg", "loss_sem_seg_point"}
    sum(losses.values()).backward()
    nn.init.constant_(head.point_head.predictor.bias, 50.0)
    logits, _ = head.eval()(features)
    assert logits.shape == (2, 3, 32, 40)
    assert ((logits > 25).all(dim=1).flatten(1).sum(dim=1) >= 40).all()


def test_parameters_of_older_checkpoints_are_renamed():
    from detectory.compat.detectron2.config import get_cfg
    from detectory.projects.point_rend.detectron2 import PointRendROIHeads

    cfg = get_cfg()
    add_pointrend_config(cfg)
    cfg.MODEL.MASK_ON, cfg.MODEL.ROI_HEADS.IN_FEATURES = True, ["p2"]
    cfg.MODEL.ROI_MASK_HEAD.update({"NAME": "CoarseMaskHead", "POINT_HEAD_ON": True, "FC_DIM": 8, "CONV_DIM": 4})
    cfg.MODEL.ROI_BOX_HEAD.update({"NAME": "FastRCNNConvFCHead", "NUM_FC": 1, "FC_DIM": 8, "POOLER_RESOLUTION": 3})
    model = nn.ModuleDict({"roi_heads": PointRendROIHeads(cfg, {"p2": ShapeSpec(channels=4, stride=4)})})
    state = {}
    for name, value in model.state_dict().items():
        for part in ("point_head", "coarse_head"):
            name = name.replace(f"mask_head.{part}.", f"mask_{part}.")
        name = name.replace("mask_coarse_head.fc", "mask_coarse_head.coarse_mask_fc")
        state[name] = torch.ones_like(value)
    assert "roi_heads.mask_coarse_head.coarse_mask_fc1.weight" in state
    report = load_into(model, state)
    assert (report.missing_keys, report.unexpected_keys) == ([], [])
    assert all(bool((value == 1).all()) for value in model.state_dict().values())


@pytest.mark.parametrize("size", [3, 5])
def test_rejects_an_odd_grid(size):
    with pytest.raises(ValueError, match=f"GridHead: grid_size must be even, got {size}"):
        point_rend.GridHead(in_channels=2, grid_size=size, num_outputs=1)
