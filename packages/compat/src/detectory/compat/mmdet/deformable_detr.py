"""Deformable DETR with a ResNet: plain, with box refinement, and with two stages."""

import re
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, resnet_depth, split_backbone
from detectory.core.config import LazyCall
from detectory.modeling.backbone import BasicStem, ResNet
from detectory.modeling.deformable_detr import ChannelMapper, DeformableDETR, DeformableTransformer
from detectory.modeling.detr import FocalSetCriterion, SinePositionEncoding

from .families import BGR, RGB, BuildOptions, Family, State

_HEADS = 8
_ATTENTION = r"(sampling_offsets|attention_weights|value_proj|output_proj)\.(\w+)"

# MMDetection 2 keeps the transformer in the head, MMDetection 3 next to the head.
_T = r"(?:bbox_head\.transformer\.)?"
_RULES = [
    (
        rf"{_T}encoder\.layers\.(\d+)\.(?:attentions\.0|self_attn)\.{_ATTENTION}",
        r"transformer.encoder.\1.self_attn.\2.\3",
    ),
    (
        rf"{_T}decoder\.layers\.(\d+)\.(?:attentions\.1|cross_attn)\.{_ATTENTION}",
        r"transformer.decoder.\1.cross_attn.\2.\3",
    ),
    (
        rf"{_T}decoder\.layers\.(\d+)\.(?:attentions\.0|self_attn)\.attn\.([\w.]+)",
        r"transformer.decoder.\1.self_attn.\2",
    ),
    *[
        (rf"{_T}(encoder|decoder)\.layers\.(\d+)\.{theirs}\.(\w+)", rf"transformer.\1.\2.{ours}.\3")
        for theirs, ours in (
            (r"(?:ffns\.0|ffn)\.layers\.0\.0", "ffn.linear1"),
            (r"(?:ffns\.0|ffn)\.layers\.1", "ffn.linear2"),
            (r"norms\.0", "norm1"),
            (r"norms\.1", "norm2"),
            (r"norms\.2", "norm3"),
        )
    ],
    (rf"{_T}level_embeds?", "transformer.level_embed"),
    (rf"{_T}reference_points(?:_fc)?\.(\w+)", r"reference_points.\1"),
    (rf"{_T}(?:enc_output|memory_trans_fc)\.(\w+)", r"proposals.memory.\1"),
    (rf"{_T}(?:enc_output_norm|memory_trans_norm)\.(\w+)", r"proposals.memory_norm.\1"),
    (rf"{_T}(?:pos_trans|pos_trans_fc)\.(\w+)", r"proposals.position.\1"),
    (rf"{_T}pos_trans_norm\.(\w+)", r"proposals.position_norm.\1"),
    (r"(?:bbox_head\.)?query_embedding\.weight", "query_embed.weight"),
    (r"bbox_head\.cls_branches\.(\d+)\.(\w+)", r"class_embed.\1.\2"),
    (r"bbox_head\.reg_branches\.(\d+)\.(\d)\.(\w+)", r"bbox_embed.\1.\2.\3"),
    (r"neck\.(convs|extra_convs)\.(\d)\.conv\.(\w+)", r"backbone.\1.\2.\3"),
    (r"neck\.(convs|extra_convs)\.(\d)\.gn\.(\w+)", r"backbone.\1.\2.norm.\3"),
]
_BRANCH = re.compile(r"(class_embed|bbox_embed)\.(\d+)\.(.+)")


def _convert(state: State) -> dict[str, Tensor]:
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    resnet, others = split_backbone(kept, "backbone.")
    return resnet | _with_branches(renamed(others, _RULES, "convert_state_dict"))


def _with_branches(converted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep one of the equal predictors of a model without refinement; move that of the first of two stages."""
    depth = _depth(converted, "decoder")
    shared = all(
        tensor.equal(converted[f"{match[1]}.0.{match[3]}"])
        for name, tensor in converted.items()
        if (match := _BRANCH.fullmatch(name))
    )
    result = {}
    for name, tensor in converted.items():
        match = _BRANCH.fullmatch(name)
        if match and int(match[2]) == depth:
            name = f"proposals.{match[1]}.{match[3]}"
        elif match and shared and int(match[2]) > 0 and "proposals.memory.weight" not in converted:
            continue
        result[name] = tensor
    return result


def _depth(converted: State, part: str) -> int:
    return len({name.split(".")[2] for name in converted if name.startswith(f"transformer.{part}.")})


def _config(converted: State, options: BuildOptions) -> DictConfig:
    caffe = options.style == "caffe"
    two_stage = "proposals.memory.weight" in converted
    levels, channels = converted["transformer.level_embed"].shape
    laterals = sum(re.fullmatch(r"backbone\.convs\.\d\.weight", name) is not None for name in converted)
    samples = len(converted["transformer.encoder.0.self_attn.attention_weights.weight"])
    arguments: dict[str, Any] = {}
    if "query_embed.weight" in converted:
        arguments["num_queries"] = len(converted["query_embed.weight"])
    backbone = LazyCall(ChannelMapper)(
        bottom_up=LazyCall(ResNet)(
            stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
            stages=LazyCall(ResNet.make_default_stages)(
                depth=resnet_depth(converted), stride_in_1x1=caffe, norm="FrozenBN"
            ),
            out_features=[f"res{6 - laterals + i}" for i in range(laterals)],
            freeze_at=1,
        ),
        in_features=[f"res{6 - laterals + i}" for i in range(laterals)],
        out_channels=channels,
        num_levels=levels,
    )
    return LazyCall(DeformableDETR)(
        backbone=backbone,
        position_encoding=LazyCall(SinePositionEncoding)(num_features=channels // 2, offset=-0.5),
        transformer=LazyCall(DeformableTransformer)(
            channels=channels,
            num_heads=_HEADS,
            hidden=len(converted["transformer.encoder.0.ffn.linear1.weight"]),
            num_levels=levels,
            num_points=samples // (_HEADS * levels),
            num_encoder_layers=_depth(converted, "encoder"),
            num_decoder_layers=_depth(converted, "decoder"),
        ),
        criterion=LazyCall(FocalSetCriterion)(num_classes="${..num_classes}"),
        num_classes=len(converted["class_embed.0.weight"]),
        box_refinement="class_embed.1.weight" in converted,
        two_stage=two_stage,
        **arguments,
        **(BGR if caffe else RGB),
    )


DEFORMABLE_DETR_FAMILY = Family(
    "Deformable DETR",
    "bbox_head.cls_branches.0.weight",
    _convert,
    _config,
    optimizer="adamw",
    learning_rate=1e-4,
)
