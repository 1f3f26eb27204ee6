import pytest
import torch
from torch import nn

from detectory.modeling.backbone import (
    FPN,
    BasicBlock,
    BasicStem,
    BottleneckBlock,
    DeformBottleneckBlock,
    LastLevelMaxPool,
    LastLevelP6P7,
    MViT,
    RegNet,
    ResNet,
    SimpleFeaturePyramid,
    SwinTransformer,
    TimmBackbone,
    ViT,
    get_vit_lr_decay_rate,
)
from detectory.modeling.backbone.regnet import ResBottleneckBlock, SimpleStem, regnet_widths
from detectory.modeling.backbone.transformer.layers import get_rel_pos, window_partition, window_unpartition
from detectory.modeling.backbone.transformer.swin_blocks import shifted_window_mask
from detectory.modeling.layers import FrozenBatchNorm2d


def resnet(depth=18, **kwargs):
    return ResNet(BasicStem(), ResNet.make_default_stages(depth), **kwargs)


def small_vit(**kwargs):
    return ViT(img_size=64, patch_size=16, embed_dim=32, depth=3, num_heads=2, pretrain_img_size=32, **kwargs)


BACKBONES = {
    "resnet": lambda: resnet(out_features=["res2", "res5"]),
    "fpn": lambda: FPN(
        resnet(out_features=["res3", "res4", "res5"]), ["res3", "res4", "res5"], 8, top_block=LastLevelP6P7(512, 8)
    ),
    "fpn avg": lambda: FPN(resnet(out_features=["res4", "res5"]), ["res4", "res5"], 8, "", LastLevelMaxPool(), "avg"),
    "regnet": lambda: RegNet(
        stem_class=SimpleStem,
        stem_width=16,
        block_class=ResBottleneckBlock,
        depth=6,
        w_a=16,
        w_0=16,
        w_m=2.0,
        group_width=8,
        se_ratio=0.25,
    ),
    "vit": lambda: small_vit(use_rel_pos=True, window_size=2, window_block_indexes=[0, 2], residual_block_indexes=[2]),
    "simple pyramid": lambda: SimpleFeaturePyramid(
        small_vit(), "last_feat", 8, (4.0, 2.0, 1.0, 0.5), LastLevelMaxPool()
    ),
    "mvit": lambda: MViT(
        img_size=64, embed_dim=16, depth=4, last_block_indexes=(0, 1, 2, 3), adaptive_window_size=8, use_abs_pos=True
    ),
    "swin": lambda: SwinTransformer(embed_dim=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=4, ape=True),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_outputs_have_the_declared_shapes(name):
    backbone = BACKBONES[name]().eval()
    shapes = backbone.output_shape()
    with torch.no_grad():
        outputs = backbone(torch.randn(2, 3, 128, 64))
    assert list(outputs) == list(shapes)
    for level, value in outputs.items():
        stride = shapes[level].stride
        assert value.shape == (2, shapes[level].channels, -(-128 // stride), -(-64 // stride))


@pytest.mark.parametrize("name", ["vit", "swin", "mvit"])
def test_transformers_accept_sizes_that_are_not_multiples_of_their_windows(name):
    backbone = BACKBONES[name]().eval()
    outputs = backbone(torch.randn(1, 3, 96, 112))
    assert all(value.isfinite().all() for value in outputs.values())


@pytest.mark.parametrize("name", ["resnet", "regnet", "vit", "mvit", "swin"])
def test_every_parameter_gets_a_gradient(name):
    backbone = BACKBONES[name]()
    sum(value.square().sum() for value in backbone(torch.randn(2, 3, 64, 64)).values()).backward()
    assert [key for key, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("freeze_at", range(6))
def test_freeze_at_is_the_number_of_frozen_parts(freeze_at):
    backbone = resnet(freeze_at=freeze_at)
    parts = [backbone.stem, *(getattr(backbone, name) for name in backbone.stage_names)]
    frozen = [not any(p.requires_grad for p in part.parameters()) for part in parts]
    assert frozen == [i < freeze_at for i in range(5)]
    assert isinstance(backbone.stem.conv1.norm, FrozenBatchNorm2d) == (freeze_at > 0)


@pytest.mark.parametrize(("depth", "millions"), [(18, 11.7), (34, 21.8), (50, 25.6), (101, 44.5), (152, 60.2)])
def test_published_depths_have_the_published_number_of_parameters(depth, millions):
    with torch.device("meta"):
        model = resnet(depth, num_classes=1000, out_features=["linear"])
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_classifier_returns_logits():
    assert resnet(num_classes=7).eval()(torch.randn(2, 3, 64, 64))["linear"].shape == (2, 7)


def test_stages_after_the_last_output_are_discarded():
    assert not hasattr(resnet(out_features=["res3"]), "res4")


def test_rejects_unknown_output_with_a_suggestion():
    with pytest.raises(ValueError, match="res5"):
        resnet(out_features=["res55"])


def test_make_stage_supports_values_per_block():
    blocks = ResNet.make_stage(
        BottleneckBlock,
        3,
        in_channels=8,
        out_channels=16,
        bottleneck_channels=8,
        num_groups=2,
        stride_per_block=[2, 1, 1],
        dilation_per_block=[1, 1, 2],
    )
    assert [block.conv2.dilation for block in blocks] == [(1, 1), (1, 1), (2, 2)]
    assert [block.stride for block in blocks] == [2, 1, 1]
    assert blocks[0].conv2.groups == 2


def test_rejects_wrong_number_of_values_per_block():
    with pytest.raises(ValueError, match="stride_per_block must have 3 values"):
        ResNet.make_stage(BasicBlock, 3, in_channels=8, out_channels=8, stride_per_block=[2])


@pytest.mark.parametrize("modulated", [False, True])
def test_deformable_block_is_initially_a_regular_block(modulated):
    deformed = DeformBottleneckBlock(8, 16, bottleneck_channels=8, norm="", deform_modulated=modulated)
    plain = BottleneckBlock(8, 16, bottleneck_channels=8, norm="")
    state = {key: value for key, value in deformed.state_dict().items() if "offset" not in key}
    plain.load_state_dict(state)
    if modulated:
        plain.conv2.weight.data *= 0.5  # a weight of zero is a half behind the sigmoid
    x = torch.randn(1, 8, 9, 9)
    assert torch.allclose(deformed(x), plain(x), atol=1e-5)


def test_fpn_rejects_strides_that_do_not_double():
    with pytest.raises(ValueError, match="must double"):
        FPN(resnet(out_features=["res3", "res5"]), ["res3", "res5"], 8)


def test_fpn_pads_to_its_coarsest_input_or_to_a_square():
    pyramid = FPN(resnet(out_features=["res4", "res5"]), ["res4", "res5"], 8, square_pad=512)
    assert pyramid.size_divisibility == 32
    assert pyramid.padding_constraints == {"square_size": 512}


def test_regnetx_4gf_has_the_widths_and_depths_of_the_paper():
    with torch.device("meta"):
        model = RegNet(
            stem_class=SimpleStem,
            stem_width=32,
            block_class=ResBottleneckBlock,
            depth=23,
            w_a=38.65,
            w_0=96,
            w_m=2.43,
            group_width=40,
            out_features=["s1", "s2", "s3", "s4"],
        )
    assert [shape.channels for shape in model.output_shape().values()] == [80, 240, 560, 1360]
    assert [len(list(getattr(model, name).children())) for name in model.stage_names] == [2, 5, 14, 2]


def test_rejects_invalid_regnet_parameters():
    with pytest.raises(ValueError, match="w_m > 1"):
        regnet_widths(10, 16, 1.0, 4)


def test_window_unpartition_inverts_window_partition():
    x = torch.randn(2, 7, 10, 3)
    windows, padded = window_partition(x, 4)
    assert windows.shape == (2 * 2 * 3, 4, 4, 3)
    assert torch.equal(window_unpartition(windows, 4, padded, (7, 10)), x)


def test_relative_positions_depend_only_on_the_distance():
    table = torch.arange(7.0).view(7, 1)
    got = get_rel_pos(4, 4, table)[..., 0]
    assert all(got[i, j] == i - j + 3 for i in range(4) for j in range(4))


def test_shifted_window_mask_separates_opposite_image_borders():
    mask = shifted_window_mask((4, 4), 2, 1, torch.zeros(1))
    assert mask.shape == (4, 4, 4)
    assert not mask[0].any()
    assert (mask[3] == 0).sum() == 4


def test_frozen_swin_stages_remain_in_evaluation_mode():
    model = SwinTransformer(embed_dim=16, depths=(2, 2), num_heads=(1, 2), out_indices=(0, 1), frozen_stages=2).train()
    assert not model.patch_embed.training
    assert not any(p.requires_grad for p in model.layers[0].parameters())
    assert all(p.requires_grad for p in model.layers[1].parameters())


@pytest.mark.parametrize(
    ("name", "power"),
    [("roi_heads.x", 0), ("backbone.net.pos_embed", 13), ("backbone.net.blocks.11.norm1.weight", 1)],
)
def test_learning_rates_decay_towards_the_image(name, power):
    assert get_vit_lr_decay_rate(name, 0.7, 12) == pytest.approx(0.7**power)


def test_activation_checkpointing_does_not_change_gradients():
    torch.manual_seed(0)
    plain = small_vit()
    saving = small_vit(use_act_checkpoint=True)
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 32, 32)
    for model in (plain, saving):
        model(x)["last_feat"].sum().backward()
    assert torch.allclose(plain.pos_embed.grad, saving.pos_embed.grad, atol=1e-6)


def test_timm_backbone_names_outputs_by_stride_or_reports_the_install_command():
    try:
        import timm  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pip install"):
            TimmBackbone("resnet18")
    else:
        assert list(TimmBackbone("resnet18", out_indices=(1, 2)).output_shape()) == ["res2", "res3"]


def test_timm_backbone_uses_the_feature_info_of_the_model(monkeypatch):
    class Info:
        reduction = staticmethod(lambda: [4, 8])
        channels = staticmethod(lambda: [2, 3])

    class Model(nn.Module):
        feature_info = Info()

        def forward(self, x):
            return [torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 4, 4)]

    fake = type("timm", (), {"create_model": staticmethod(lambda *a, **k: Model())})
    monkeypatch.setitem(__import__("sys").modules, "timm", fake)
    assert {k: v.shape[1] for k, v in TimmBackbone("any")(torch.zeros(1, 3, 32, 32)).items()} == {"res2": 2, "res3": 3}
