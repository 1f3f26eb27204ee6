"""DETR with a ResNet."""

from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, resnet_depth, split_backbone
from detectory.core.config import LazyCall
from detectory.modeling.backbone import BasicStem, ResNet
from detectory.modeling.detr import DETR, DETRTransformer, SetCriterion, SinePositionEncoding

from .families import BGR, RGB, BuildOptions, Family, State

_PARTS = ("encoder", "decoder")

_ATTENTIONS = ((r"(?:attentions\.0|self_attn)", "self_attn"), (r"(?:attentions\.1|cross_attn)", "cross_attn"))

# MMDetection 2 keeps the transformer in the head, MMDetection 3 next to the head.
_TRANSFORMER = r"(?:bbox_head\.transformer\.)?"
_RULES = [
    *[
        (rf"{_TRANSFORMER}{part}\.layers\.(\d+)\.{theirs}\.(\w+)", rf"transformer.{part}.\1.{ours}.\2")
        for part in _PARTS
        for theirs, ours in (
            (r"(?:ffns\.0|ffn)\.layers\.0\.0", "ffn.linear1"),
            (r"(?:ffns\.0|ffn)\.layers\.1", "ffn.linear2"),
            (r"norms\.0", "norm1"),
            (r"norms\.1", "norm2"),
            (r"norms\.2", "norm3"),
        )
    ],
    *[
        (rf"{_TRANSFORMER}{part}\.layers\.(\d+)\.{theirs}\.attn\.([\w.]+)", rf"transformer.{part}.\1.{ours}.\2")
        for part in _PARTS
        for theirs, ours in (
            (r"(?:attentions\.0|self_attn)", "self_attn"),
            (r"(?:attentions\.1|cross_attn)", "cross_attn"),
        )
    ],
    (rf"{_TRANSFORMER}decoder\.post_norm\.(\w+)", r"transformer.norm.\1"),
    (r"(?:bbox_head\.input_proj|neck\.convs\.0\.conv)\.(\w+)", r"input_proj.\1"),
    (r"(?:bbox_head\.)?query_embedding\.weight", "query_embed.weight"),
    (r"bbox_head\.fc_cls\.(\w+)", r"class_embed.\1"),
    (r"bbox_head\.reg_ffn\.layers\.0\.0\.(\w+)", r"bbox_embed.0.\1"),
    (r"bbox_head\.reg_ffn\.layers\.1\.(\w+)", r"bbox_embed.1.\1"),
    (r"bbox_head\.fc_reg\.(\w+)", r"bbox_embed.2.\1"),
]


def _convert(state: State) -> dict[str, Tensor]:
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    resnet, others = split_backbone(kept, "backbone.")
    plain = {name.replace("backbone.bottom_up.", "backbone."): tensor for name, tensor in resnet.items()}
    return plain | renamed(others, _RULES, "convert_state_dict")


def _config(converted: State, options: BuildOptions) -> DictConfig:
    layers = {part: {name.split(".")[2] for name in converted if f"transformer.{part}." in name} for part in _PARTS}
    queries, channels = converted["query_embed.weight"].shape
    caffe = options.style == "caffe"
    return LazyCall(DETR)(
        backbone=LazyCall(ResNet)(
            stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
            stages=LazyCall(ResNet.make_default_stages)(
                depth=resnet_depth(name.removeprefix("backbone.") for name in converted),
                stride_in_1x1=caffe,
                norm="FrozenBN",
            ),
            out_features=["res5"],
            freeze_at=1,
        ),
        position_encoding=LazyCall(SinePositionEncoding)(num_features=channels // 2),
        transformer=LazyCall(DETRTransformer)(
            channels=channels,
            hidden=len(converted["transformer.encoder.0.ffn.linear1.weight"]),
            num_encoder_layers=len(layers["encoder"]),
            num_decoder_layers=len(layers["decoder"]),
        ),
        criterion=LazyCall(SetCriterion)(num_classes="${..num_classes}"),
        num_queries=queries,
        num_classes=len(converted["class_embed.weight"]) - 1,
        **(BGR if caffe else RGB),
    )


DETR_FAMILY = Family(
    "DETR", "bbox_head.reg_ffn.layers.0.0.weight", _convert, _config, optimizer="adamw", learning_rate=1e-4
)
