"""PointRend's point features and mask head."""

import pytest
import torch

from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.roi_heads import build_mask_head, build_roi_heads
from detectory.ops import roi_align
from detectory.projects import point_rend
from detectory.projects.point_rend.detectron2 import add_pointrend_config
from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks


def test_regular_grid_points_are_cell_centres():
    grid = point_rend.generate_regular_grid_point_coords(2, 2, "cpu")
    assert grid[1].tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_box_points_are_converted_to_image_coordinates():
    placed = point_rend.get_point_coords_wrt_image(torch.tensor([[10.0, 20, 30, 60]]), torch.tensor([[[0.5, 0.25]]]))
    assert placed.tolist() == [[[20, 30]]]


def test_grid_samples_equal_roi_align_with_one_sample():
    features, box = torch.rand(1, 3, 30, 40), torch.tensor([[5.0, 6, 25, 26]])
    points = point_rend.generate_regular_grid_point_coords(1, 5, "cpu")
    sampled, _ = point_rend.point_sample_fine_grained_features([features], [0.5], [Boxes(box)], points)
    pooled = roi_align(features, torch.cat([torch.zeros(1, 1), box], dim=1), (5, 5), 0.5, 1, True)
    torch.testing.assert_close(sampled.reshape(1, 3, 5, 5), pooled)


def test_fine_grained_features_are_sampled_per_image():
    features = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    boxes = [Boxes(torch.tensor([[0.0, 0, 8, 8]])), Boxes(torch.tensor([[1.0, 1, 4, 4], [2, 2, 6, 6]]))]
    points = torch.full((3, 2, 2), 0.5)
    sampled, places = point_rend.point_sample_fine_grained_features([features, features], [1.0, 1.0], boxes, points)
    assert sampled[:, :, 0].tolist() == [[0, 0], [1, 1], [1, 1]]
    assert places[2, 0].tolist() == [4, 4]


def test_most_uncertain_cells_are_selected():
    uncertainty = torch.tensor([[[[0.0, 1, 0], [0, 0, 3]]]])
    indices, points = point_rend.get_uncertain_point_coords_on_grid(uncertainty, 2)
    assert indices.tolist() == [[5, 1]]
    torch.testing.assert_close(points, torch.tensor([[[2.5 / 3, 0.75], [0.5, 0.25]]]))


def test_training_points_concentrate_on_uncertain_regions():
    torch.manual_seed(0)
    logits = torch.linspace(-4, 4, 32).expand(1, 1, 32, 32)  # zero in the middle column
    points = point_rend.get_uncertain_point_coords_with_randomness(logits, lambda x: -x.abs(), 40, 10.0, 1.0)
    assert points.shape == (1, 40, 2)
    assert (points[..., 0] - 0.5).abs().max() < 0.1


def test_rejects_ratios_out_of_range():
    with pytest.raises(ValueError, match="oversample_ratio"):
        point_rend.get_uncertain_point_coords_with_randomness(torch.rand(1, 1, 4, 4), torch.abs, 4, 0.5, 0.5)


@pytest.fixture
def config():
    cfg = get_cfg()
    add_pointrend_config(cfg)
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3"]
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.POINT_HEAD.NUM_CLASSES = 3
    cfg.MODEL.ROI_MASK_HEAD.update({"NAME": "PointRendMaskHead", "POOLER_TYPE": "", "POINT_HEAD_ON": True})
    cfg.MODEL.ROI_MASK_HEAD.update({"FC_DIM": 16, "CONV_DIM": 8})
    return cfg


SHAPES = {"p2": ShapeSpec(channels=4, stride=4), "p3": ShapeSpec(channels=4, stride=8)}


def detections(count, extent):
    boxes = torch.rand(count, 4) * extent / 2
    boxes[:, 2:] += boxes[:, :2] + 1
    return Instances((extent, extent), pred_boxes=Boxes(boxes), pred_classes=torch.arange(count) % 3)


def maps(extent):
    return {"p2": torch.rand(1, 4, extent // 4, extent // 4), "p3": torch.rand(1, 4, extent // 8, extent // 8)}


def test_masks_are_refined_to_the_final_resolution(config):
    head = build_mask_head(config, SHAPES).eval()
    (result,) = head(maps(64), [detections(5, 64)])
    assert result.pred_masks.shape == (5, 1, 224, 224)
    assert result.pred_masks.min() >= 0


def test_only_uncertain_points_are_refined():
    calls = []

    def predict(points):
        calls.append(points.shape)
        return torch.full(points.shape[:2], 1.0 if len(calls) == 1 else 50.0)

    refined = point_rend.refine_by_subdivision(predict, torch.zeros(2, 1), side=7, doublings=1, num_points=20)
    assert (calls, refined.shape) == ([(2, 49, 2), (2, 20, 2)], (2, 1, 14, 14))
    assert (refined > 25).sum(dim=(1, 2, 3)).tolist() == [20, 20]


def test_images_without_detections_have_empty_masks(config):
    (result,) = build_mask_head(config, SHAPES).eval()(maps(64), [detections(0, 64)])
    assert result.pred_masks.shape == (0, 1, 224, 224)


@pytest.mark.parametrize("mask_format", ["bitmask", "polygon"])
def test_both_heads_receive_gradients(config, mask_format):
    head, region = build_mask_head(config, SHAPES), detections(2, 64)
    polygons = PolygonMasks([[[0.0, 0, 30, 0, 30, 30]], [[5.0, 5, 60, 5, 60, 60]]])
    gt_masks = polygons if mask_format == "polygon" else BitMasks.from_polygon_masks(polygons, 64, 64)
    region = Instances((64, 64), proposal_boxes=region.pred_boxes, gt_classes=region.pred_classes, gt_masks=gt_masks)
    losses = head(maps(64), [region])
    sum(losses.values()).backward()
    assert set(losses) == {"loss_mask", "loss_mask_point"}
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.parameters())


@pytest.mark.filterwarnings("ignore")
def test_traced_model_accepts_other_sizes(config):
    class Wrap(torch.nn.Module):
        def __init__(self, head):
            super().__init__()
            self.head = head

        def forward(self, p2, p3, boxes):
            classes = torch.zeros(boxes.shape[0], dtype=torch.long)
            instances = Instances((64, 64), pred_boxes=Boxes(boxes), pred_classes=classes)
            return self.head({"p2": p2, "p3": p3}, [instances])[0].pred_masks

    wrapped = Wrap(build_mask_head(config, SHAPES).eval())
    inputs = [
        (*maps(extent).values(), detections(count, extent).pred_boxes.tensor) for extent, count in ((64, 4), (96, 7))
    ]
    traced = torch.jit.trace(wrapped, inputs[0])
    torch.testing.assert_close(traced(*inputs[1]), wrapped(*inputs[1]))


def test_standard_roi_heads_pass_feature_maps(config):
    config.MODEL.MASK_ON, config.MODEL.ROI_HEADS.NAME = True, "StandardROIHeads"
    config.MODEL.ROI_BOX_HEAD.update(
        {"NAME": "FastRCNNConvFCHead", "NUM_FC": 1, "FC_DIM": 8, "POOLER_TYPE": "ROIAlign"}
    )
    heads = build_roi_heads(config, SHAPES)
    assert heads.mask_pooler is None
    assert isinstance(heads.mask_head, point_rend.PointRendMaskHead)


def test_rejects_different_numbers_of_classes(config):
    config.MODEL.POINT_HEAD.NUM_CLASSES = 4
    with pytest.raises(ValueError, match="NUM_CLASSES 4 must equal"):
        build_mask_head(config, SHAPES)
