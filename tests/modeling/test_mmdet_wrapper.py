import numpy as np
import pytest
import torch
from torch import nn

from detectory.core.events import EventStorage
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.mmdet_wrapper import MMDetBackbone, MMDetDetector

from . import tiny_models

IMAGE = torch.zeros(2, 3, 4, 4)


class Detector(nn.Module):
    """A detector with the interface of MMDetection."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward_train(self, images, metas, boxes, classes):
        return {"loss_a": [self.weight, self.weight * 2], "acc": torch.tensor(0.5)}

    def simple_test(self, images, metas, rescale):
        assert metas[0]["pad_shape"] == (64, 64, 3)
        masks = [[np.ones(metas[0]["ori_shape"][:2], bool)], []]
        return [([np.array([[1.0, 2, 3, 4, 0.9]], np.float32), np.zeros((0, 5), np.float32)], masks)]


COLORS = {"pixel_mean": (0.0, 0.0, 0.0), "pixel_std": (1.0, 1.0, 1.0)}


def test_mmdet_results_are_converted_to_instances():
    model = MMDetDetector(Detector(), **COLORS).eval()
    (output,) = model([{"image": torch.zeros(3, 40, 50), "height": 80, "width": 100}])
    detections = output["instances"]
    assert detections.image_size == (80, 100)
    assert detections.pred_classes.tolist() == [0]
    assert detections.pred_masks.shape == (1, 80, 100)


def test_mmdet_losses_are_summed_and_metrics_logged():
    model = MMDetDetector(Detector(), **COLORS)
    targets = tiny_models.ground_truth()
    targets.remove("gt_masks")
    with EventStorage(0) as storage:
        losses = model([{"image": torch.zeros(3, 64, 96), "instances": targets}])
    assert {key: float(value) for key, value in losses.items()} == {"loss_a": 3.0}
    assert storage.latest()["acc"][0] == 0.5


def test_mmdet_backbone_names_its_outputs():
    class Two(nn.Module):
        def forward(self, x):
            return [x, x * 2]

    shapes = [ShapeSpec(channels=3, stride=1)] * 2
    assert list(MMDetBackbone(Two(), output_shapes=shapes)(IMAGE)) == ["out0", "out1"]
    with pytest.raises(ValueError, match="expected a list of 1 feature maps"):
        MMDetBackbone(Two(), output_shapes=shapes[:1])(IMAGE)


def test_mmdet_config_without_mmdet_reports_the_install_command():
    with pytest.raises(ImportError, match="pip install"):
        MMDetDetector({"type": "MaskRCNN"}, **COLORS)
