"""Small recipes: trainable from random weights, on RGB images of 320 pixels."""

import pytest
import torch

from detectory.core.config import instantiate
from detectory.zoo import get_config, list_models

NAMES = sorted(list_models("*_small"))


@pytest.fixture(scope="module", params=NAMES)
def config(request):
    return get_config(request.param)


def test_the_zoo_has_four_small_models_without_published_weights():
    assert [name.rpartition("/")[2] for name in NAMES] == [
        f"{model}_R_18_FPN_small" for model in ("faster_rcnn", "retinanet", "mask_rcnn", "keypoint_rcnn")
    ]
    assert set(list_models("*_small").values()) == {None}


def test_every_parameter_is_trained(config):
    with torch.device("meta"):
        model = instantiate(config.model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert 12e6 < sum(parameter.numel() for parameter in model.parameters()) < 13e6


def test_backbone_has_the_layers_of_torchvision(config):
    torchvision = pytest.importorskip("torchvision", reason="pip install torchvision")
    with torch.device("meta"):
        backbone = instantiate(config.model.backbone.bottom_up)
        published = torchvision.models.resnet18()
    del published.fc
    shapes = [parameter.shape for parameter in backbone.parameters()]
    assert sorted(shapes) == sorted(parameter.shape for parameter in published.parameters())


def test_model_and_loaders_agree_on_size_and_channel_order(config):
    train, test = config.dataloader.train.mapper, config.dataloader.test.mapper
    assert config.model.input_format == train.image_format == test.image_format == "RGB"
    assert train.augmentations[0].short_edge_length == [320]
    assert test.augmentations[0].short_edge_length == 320


def test_anchors_cover_16_to_256_pixels(config):
    model = config.model
    generator = model.anchor_generator if "anchor_generator" in model else model.proposal_generator.anchor_generator
    sizes = [level[0] for level in generator.sizes]
    assert sizes == [16, 32, 64, 128, 256]
