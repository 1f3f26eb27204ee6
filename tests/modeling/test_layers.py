import pytest
import torch
from torch import nn
from torch.nn import functional as F

from detectory.modeling.layers import (
    ASPP,
    Conv2d,
    CycleBatchNormList,
    DepthwiseSeparableConv2d,
    DropPath,
    FrozenBatchNorm2d,
    LayerNorm,
    NaiveSyncBatchNorm,
    ROIPool,
    ShapeSpec,
    ciou_loss,
    cross_entropy,
    diou_loss,
    fast_layout,
    get_norm,
    giou_loss,
    smooth_l1_loss,
)


def random_frozen(channels):
    norm = FrozenBatchNorm2d(channels)
    for name, buffer in norm.named_buffers():
        buffer.copy_(torch.rand(channels) + (0.5 if name == "running_var" else 0))
    return norm


def test_new_frozen_norm_is_the_identity():
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(FrozenBatchNorm2d(3)(x), x, atol=1e-6)


def test_folded_frozen_norm_has_the_same_output_and_gradient():
    layer = Conv2d(3, 4, 3, padding=1, norm=random_frozen(4))
    x = torch.randn(2, 3, 6, 6)
    plain = layer.norm(F.conv2d(x, layer.weight, layer.bias, padding=1))
    plain.square().sum().backward()
    wanted, layer.weight.grad = layer.weight.grad, None
    folded = layer(x)
    folded.square().sum().backward()
    assert torch.allclose(folded, plain, atol=1e-5)
    assert torch.allclose(layer.weight.grad, wanted, rtol=1e-4, atol=1e-4)


def test_frozen_norm_loads_a_caffe2_checkpoint_without_statistics():
    norm = FrozenBatchNorm2d(2)
    norm.load_state_dict({"weight": torch.tensor([2.0, 3.0]), "bias": torch.tensor([1.0, 0.0])})
    assert torch.allclose(norm(torch.ones(1, 2, 1, 1)).flatten(), torch.tensor([3.0, 3.0]), atol=1e-4)


def test_frozen_norm_conversion_is_invertible():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    model[1].running_mean.normal_()
    x = torch.randn(1, 3, 2, 2)
    wanted = model(x)
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(model)
    assert type(frozen[1]) is FrozenBatchNorm2d
    assert torch.allclose(frozen(x), wanted, atol=1e-6)
    live = FrozenBatchNorm2d.convert_frozenbatchnorm2d_to_batchnorm2d(frozen)
    assert isinstance(live[1], nn.BatchNorm2d)
    assert torch.allclose(live(x), wanted, atol=1e-6)


@pytest.mark.parametrize("name", ["BN", "SyncBN", "FrozenBN", "GN", "LN", "nnSyncBN", "naiveSyncBN", "naiveSyncBN_N"])
def test_get_norm_builds_every_name(name):
    assert get_norm(name, 64).eval()(torch.randn(2, 64, 3, 3)).shape == (2, 64, 3, 3)


def test_get_norm_accepts_a_callable_and_none():
    assert isinstance(get_norm(nn.InstanceNorm2d, 8), nn.InstanceNorm2d)
    assert get_norm("", 8) is None
    assert get_norm(None, 8) is None


def test_rejects_unknown_norm_with_a_suggestion():
    with pytest.raises(ValueError, match="FrozenBN"):
        get_norm("FrozenBM", 8)


def test_layer_norm_normalizes_every_pixel_over_channels():
    out = LayerNorm(16)(torch.randn(2, 16, 3, 3) * 5 + 1)
    assert torch.allclose(out.mean(1), torch.zeros(2, 3, 3), atol=1e-5)


def test_naive_sync_norm_of_one_process_is_a_batch_norm():
    x = torch.randn(4, 3, 5, 5)
    assert torch.allclose(NaiveSyncBatchNorm(3)(x), nn.BatchNorm2d(3)(x), atol=1e-6)


def test_cycle_norm_has_separate_statistics_per_call():
    norm = CycleBatchNormList(2, num_features=3)
    norm(torch.zeros(2, 3, 4, 4)), norm(torch.ones(2, 3, 4, 4))
    assert [round(float(n.running_mean[0]), 3) for n in norm] == [0.0, 0.1]


def test_fast_layout_changes_only_the_strides():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(fast_layout(x), x)
    assert fast_layout(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("separable", [False, True])
def test_aspp_preserves_the_size(separable):
    layer = ASPP(8, 4, [1, 2, 3], norm="BN", activation=F.relu, use_depthwise_separable_conv=separable)
    assert layer(torch.randn(2, 8, 9, 7)).shape == (2, 4, 9, 7)


def test_rejects_aspp_window_that_does_not_divide_the_input():
    layer = ASPP(8, 4, [1, 2, 3], norm="", activation=F.relu, pool_kernel_size=(4, 4))
    with pytest.raises(ValueError, match="must divide"):
        layer(torch.randn(1, 8, 6, 8))


def test_depthwise_separable_convolution_has_fewer_weights():
    layer = DepthwiseSeparableConv2d(8, 16, norm1="BN", norm2="BN", activation2=F.relu)
    assert layer(torch.randn(1, 8, 5, 5)).shape == (1, 16, 5, 5)
    assert layer.depthwise.weight.numel() + layer.pointwise.weight.numel() == 8 * 9 + 8 * 16


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    out = DropPath(0.5)(torch.ones(2000, 3))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert float(out.mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(DropPath(0.5).eval()(out), out)


def test_shape_specs_are_compared_by_value():
    assert ShapeSpec(channels=3, stride=4) == ShapeSpec(3, None, None, 4)


@pytest.mark.parametrize("loss", [giou_loss, diou_loss, ciou_loss])
def test_iou_losses_are_zero_for_equal_boxes_and_grow_with_distance(loss):
    box = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    same, near, far = (float(loss(box, box + shift, reduction="sum")) for shift in (0, 2, 20))
    assert same == pytest.approx(0.0, abs=1e-5)
    assert same < near < far


def test_giou_loss_of_disjoint_boxes_is_one_plus_the_empty_fraction_of_the_enclosing_box():
    a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    assert float(giou_loss(a, b, "sum")) == pytest.approx(1 + 1 / 3)


def test_smooth_l1_is_quadratic_below_beta_and_linear_above():
    got = smooth_l1_loss(torch.tensor([0.5, 3.0]), torch.zeros(2), beta=1.0)
    assert got.tolist() == [0.125, 2.5]


def test_means_of_empty_losses_are_zero_and_differentiable():
    logits = torch.zeros(0, 3, requires_grad=True)
    cross_entropy(logits, torch.zeros(0, dtype=torch.long)).backward()
    smooth_l1_loss(logits, logits.detach(), 0.0, "mean").backward()
    assert logits.grad.shape == (0, 3)


def test_rejects_unknown_reduction():
    with pytest.raises(ValueError, match="did you mean 'mean'"):
        giou_loss(torch.zeros(1, 4), torch.zeros(1, 4), "meen")


def test_roi_pool_is_the_maximum_of_whole_cells():
    grid = torch.arange(16.0).view(1, 1, 4, 4)
    out = ROIPool(2, 1.0)(grid, torch.tensor([[0, 0, 0, 3, 3], [0, 2, 2, 9, 9]], dtype=torch.float32))
    assert out[0].flatten().tolist() == [5.0, 7.0, 13.0, 15.0]
    assert out[1].flatten().tolist() == [15.0, 0.0, 0.0, 0.0]
