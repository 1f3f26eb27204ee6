"""Point-supervised mask heads, recipes, and their agreement with the YAML configs."""

import pytest
import torch

from detectory import zoo
from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import instantiate
from detectory.modeling.layers import ShapeSpec
from detectory.projects import point_sup
from detectory.projects.point_rend import GridHead, ImplicitPointHead
from detectory.projects.point_rend.detectron2 import add_pointrend_config
from detectory.projects.point_sup import detectron2 as adapter
from detectory.structures import Boxes, Instances

NAMES = sorted(zoo.list_models("PointSup/*"))


def proposals(count=2):
    result = Instances((40, 40))
    result.proposal_boxes = Boxes(torch.tensor([[10.0, 10, 30, 20]]).repeat(count, 1))
    result.gt_classes = torch.ones(count, dtype=torch.int64)
    result.gt_point_coords = torch.tensor([[[10.0, 10], [20, 15], [30, 20], [31, 15]]]).repeat(count, 1, 1)
    result.gt_point_labels = torch.tensor([[1.0, 0, -1, 1]]).repeat(count, 1)
    return result


def test_points_outside_the_proposal_are_ignored():
    points, labels = point_sup.get_point_coords_from_point_annotation([proposals(1), proposals(0)])
    assert points[0, :3].tolist() == [[0, 0], [0.5, 0.5], [1, 1]]
    assert labels.tolist() == [[1, 0, -1, -1]]


def test_missing_points_are_named():
    instances = proposals()
    instances.remove("gt_point_coords")
    with pytest.raises(ValueError, match="the targets have no gt_point_coords"):
        point_sup.get_point_coords_from_point_annotation([instances])


@pytest.mark.parametrize("classes", [1, 3])
def test_loss_is_the_cross_entropy_at_the_points(classes):
    head = point_sup.MaskRCNNConvUpsamplePointSupHead(ShapeSpec(channels=4), num_classes=classes, conv_dims=[4])
    features = torch.rand(2, 4, 7, 7)
    loss = head(features, [proposals()])["loss_mask"]
    logits = head.layers(features)[:, min(1, classes - 1)]
    centre = logits[:, 6:8, 6:8].mean(dim=(1, 2))  # (0.5, 0.5) is the corner of four cells
    corner = logits[:, 0, 0] / 4  # (0, 0) has three neighbours outside the mask, which count as 0
    expected = torch.nn.functional.softplus(-corner) + torch.nn.functional.softplus(centre)
    torch.testing.assert_close(loss, expected.mean() / 4)


def test_loss_without_regions_is_zero_with_a_gradient():
    head = point_sup.MaskRCNNConvUpsamplePointSupHead(ShapeSpec(channels=4), num_classes=3, conv_dims=[4])
    loss = head(torch.rand(0, 4, 7, 7), [proposals(0)])["loss_mask"]
    loss.backward()
    assert loss == 0
    assert head.predictor.weight.grad is not None


def test_masks_of_points_are_learned():
    torch.manual_seed(0)
    head = point_sup.MaskRCNNConvUpsamplePointSupHead(ShapeSpec(channels=8), num_classes=3, conv_dims=[16, 16])
    features, instances = torch.rand(2, 8, 7, 7), proposals()
    instances.gt_point_coords = torch.rand(2, 400, 2) * torch.tensor([20.0, 10]) + 10
    instances.gt_point_labels = (instances.gt_point_coords[..., 0] < 20).float()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        loss = head(features, [instances])["loss_mask"]
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    instances.pred_classes = instances.gt_classes
    head.eval()(features, [instances])
    assert (instances.pred_masks[:, 0, 2:12, 1:6] > 0.5).float().mean() > 0.9
    assert (instances.pred_masks[:, 0, 2:12, 8:13] < 0.5).float().mean() > 0.9


def test_crops_are_rejected():
    cfg = get_cfg()
    add_pointrend_config(cfg)
    adapter.add_point_sup_config(cfg)
    cfg.INPUT.CROP.ENABLED = True
    with pytest.raises(ValueError, match=r"INPUT\.CROP\.ENABLED must be False"):
        adapter.PointSupDatasetMapper(cfg)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_and_yaml_config_describe_the_same_model(name):
    recipe = zoo.get_config(name)
    cfg = model_zoo.get_config(f"{name}.yaml")
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        native = instantiate(recipe.model)
    compat = build_model(cfg)
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in (native, compat)]
    assert shapes[0] == shapes[1]
    assert "PointSupHead" in type(native.roi_heads.mask_head).__name__
    assert recipe.train.max_iter == cfg.SOLVER.MAX_ITER
    assert recipe.dataloader.train.mapper.sample_points == cfg.INPUT.SAMPLE_POINTS
    assert recipe.dataloader.train.dataset.names == cfg.DATASETS.TRAIN[0]
    assert adapter.PointSupDatasetMapper(cfg).sample_points == cfg.INPUT.SAMPLE_POINTS


def test_three_recipes_are_listed():
    assert len(NAMES) == 3


@pytest.mark.parametrize("count", [0, 2])
def test_implicit_head_is_trained_at_the_points(count):
    point_head = ImplicitPointHead(in_channels=4, num_classes=3, channels=8, num_layers=2, positional_encoding_dims=8)
    head = point_sup.ImplicitPointRendPointSupHead(
        parameter_head=GridHead(in_channels=4, grid_size=4, num_outputs=point_head.num_params, conv_dim=4, fc_dim=8),
        point_head=point_head,
        strides={"p2": 4},
        coarse_in_features=["p2"],
        point_in_features=["p2"],
        coarse_grid_size=4,
    )
    instances = proposals(count)
    losses = head({"p2": torch.rand(1, 4, 10, 10)}, [instances])
    sum(losses.values()).backward()
    assert head.parameter_head.prediction.weight.grad is not None
    assert losses.keys() == {"loss_mask_point", "loss_l2"}
    assert (losses["loss_mask_point"] > 0) == (count > 0)
