"""Small recipes: all layers trainable, torchvision's ImageNet weights, RGB images of 320 pixels."""

import pytest
import torch

from detectory.core.checkpoint import DetectionCheckpointer
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


@pytest.fixture
def imagenet_file(tmp_path):
    """Return torchvision's ResNet-18 with random weights and statistics, and its file."""
    torchvision = pytest.importorskip("torchvision", reason="pip install torchvision")
    torch.manual_seed(0)
    classifier = torchvision.models.resnet18().eval()
    for name, buffer in classifier.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    torch.save(classifier.state_dict(), tmp_path / "resnet18.pth")
    return classifier, str(tmp_path / "resnet18.pth")


def test_backbone_loads_torchvisions_weights(imagenet_file):
    classifier, file = imagenet_file
    model = instantiate(get_config("COCO-Detection/faster_rcnn_R_18_FPN_small").model).eval()
    DetectionCheckpointer(model).load(file)
    images = torch.rand(1, 3, 64, 96)
    x = classifier.maxpool(classifier.relu(classifier.bn1(classifier.conv1(images))))
    for number in range(1, 5):
        x = getattr(classifier, f"layer{number}")(x)
        torch.testing.assert_close(model.backbone.bottom_up(images)[f"res{number + 1}"], x)


def test_torchvisions_own_model_still_loads_its_file(imagenet_file):
    classifier, file = imagenet_file
    other = type(classifier)(type(classifier.layer1[0]), [2, 2, 2, 2])
    checkpointer = DetectionCheckpointer(other)
    checkpointer.load(file)
    assert checkpointer.last_report.is_complete
    torch.testing.assert_close(other.fc.weight, classifier.fc.weight)


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
