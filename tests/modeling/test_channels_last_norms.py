"""Layers on channels-last maps with a mean far from zero, against float64."""

import pytest
import torch
from torch import nn

from detectory.modeling.layers import BatchNorm2d, FrozenBatchNorm2d, GroupNorm, LayerNorm, NaiveSyncBatchNorm, get_norm

CHANNELS = 64
LAYERS = {
    "GroupNorm": lambda: get_norm("GN", CHANNELS),
    "BatchNorm2d": lambda: get_norm("BN", CHANNELS),
    "BatchNorm2d without statistics": lambda: BatchNorm2d(CHANNELS, track_running_stats=False),
    "NaiveSyncBatchNorm": lambda: NaiveSyncBatchNorm(CHANNELS),
    "FrozenBatchNorm2d": lambda: FrozenBatchNorm2d(CHANNELS),
    "LayerNorm": lambda: LayerNorm(CHANNELS),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "Conv2d": lambda: nn.Conv2d(CHANNELS, 32, 3, padding=1),
    "AvgPool2d": lambda: nn.AvgPool2d(3, 2),
    "MaxPool2d": lambda: nn.MaxPool2d(3, 2),
    "Upsample": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
}


@pytest.fixture
def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, CHANNELS, 96, 104, generator=generator) * 0.1 + 5
    return x.to(memory_format=torch.channels_last)


def with_random_parameters(layer: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator) + 0.5
    return layer


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("name", LAYERS)
def test_channels_last_agrees_with_float64(name, image):
    layer = with_random_parameters(LAYERS[name]())
    reference = with_random_parameters(LAYERS[name]()).double()
    x, x64 = image.clone().requires_grad_(), image.double().contiguous().requires_grad_()
    actual, expected = layer(x), reference(x64)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (actual * weights.float()).sum().backward()
    (expected * weights).sum().backward()
    assert relative_error(actual, expected) < 3e-5
    assert relative_error(x.grad, x64.grad) < 3e-5


@pytest.mark.parametrize("momentum", [0.1, None], ids=["moving average", "cumulative average"])
def test_running_statistics_equal_those_of_the_default_layout(momentum, image):
    ours, reference = BatchNorm2d(CHANNELS, momentum=momentum), nn.BatchNorm2d(CHANNELS, momentum=momentum)
    for _ in range(3):
        ours(image)
        reference(image.contiguous())
    torch.testing.assert_close(ours.running_mean, reference.running_mean)
    torch.testing.assert_close(ours.running_var, reference.running_var)
    assert ours.num_batches_tracked == 3


def test_norms_keep_channels_last(image):
    for layer in (GroupNorm(32, CHANNELS), BatchNorm2d(CHANNELS)):
        assert layer(image).is_contiguous(memory_format=torch.channels_last)


def test_scripted_batch_norm_shares_parameters(image):
    layer = with_random_parameters(BatchNorm2d(CHANNELS)).eval()
    torch.testing.assert_close(torch.jit.script(layer)(image), layer(image))


def test_scripted_group_norm_is_accurate(image):
    layer = with_random_parameters(GroupNorm(32, CHANNELS))
    torch.testing.assert_close(torch.jit.script(layer)(image), layer(image))


def test_group_norm_accepts_an_empty_batch():
    empty = torch.zeros(0, CHANNELS, 4, 4).to(memory_format=torch.channels_last)
    assert GroupNorm(32, CHANNELS)(empty).shape == empty.shape
