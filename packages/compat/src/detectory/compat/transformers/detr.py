"""DETR and Table Transformer of transformers."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.config import LazyCall
from detectory.data.transforms import Resize
from detectory.modeling.backbone import BasicStem, BottleneckBlock, ResNet
from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE
from detectory.modeling.detr import DETR, DETRTransformer, SetCriterion, SinePositionEncoding

from .folder import PretrainedFolder
from .images import DETRResize
from .names import convert_detr

#: Model types of the configs, and whether the norms precede the parts of a layer.
MODEL_TYPES = {"detr": False, "table-transformer": True}

_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def detr_config(folder: PretrainedFolder) -> tuple[DictConfig, dict[str, Tensor]]:
    """Return the config and the weights of the model in a folder.

    Args:
        folder: A folder of DETR or Table Transformer for object detection.

    Raises:
        ValueError: If the model is another one, or has settings that our model does not have.
    """
    config = folder.config
    _check(config)
    state = convert_detr(folder.state)
    names = [name.removeprefix("backbone.") for name in state if name.startswith("backbone.")]
    queries, channels = state["query_embed.weight"].shape
    mean, std = folder.processor.get("image_mean", _MEAN), folder.processor.get("image_std", _STD)
    model = LazyCall(DETR)(
        backbone=_backbone(resnet_depth(names), bool(config.get("dilation"))),
        position_encoding=LazyCall(SinePositionEncoding)(num_features=channels // 2),
        transformer=LazyCall(DETRTransformer)(
            channels=channels,
            num_heads=config.get("decoder_attention_heads", 8),
            hidden=len(state["transformer.encoder.0.ffn.linear1.weight"]),
            num_encoder_layers=_layers(state, "encoder"),
            num_decoder_layers=_layers(state, "decoder"),
            dropout=config.get("dropout", 0.1),
            norm_first=MODEL_TYPES[config["model_type"]],
        ),
        criterion=LazyCall(SetCriterion)(num_classes="${..num_classes}"),
        num_queries=queries,
        num_classes=len(state["class_embed.weight"]) - 1,
        max_detections_per_image=queries,
        pixel_mean=[255 * value for value in mean],
        pixel_std=[255 * value for value in std],
        input_format="RGB",
    )
    return model, state


def resize_config(processor: Mapping[str, Any]) -> DictConfig:
    """Return the config of the augmentation that resizes images as an image processor does."""
    size = processor.get("size", {})
    if isinstance(size, int):  # processors before 4.26
        size = {"shortest_edge": size, "longest_edge": processor.get("max_size", 1333)}
    if "height" in size:
        return LazyCall(Resize)(shape=[size["height"], size["width"]])
    return LazyCall(DETRResize)(
        shortest_edge=size.get("shortest_edge", 800), longest_edge=size.get("longest_edge", 1333)
    )


def class_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the class names of a config, `None` if it has only placeholders.

    Repeated names, such as the unused "N/A" of models for COCO, get the number of their class.
    """
    labels = config.get("id2label") or {}
    names = [str(labels[key]) for key in sorted(labels, key=int)]
    if not names or all(name == f"LABEL_{i}" for i, name in enumerate(names)):
        return None
    return tuple(name if names.count(name) == 1 else f"{name} {i}" for i, name in enumerate(names))


def _check(config: Mapping[str, Any]) -> None:
    """Raise a ValueError if a config has settings that our model does not have."""
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"convert: model_type must be one of {', '.join(MODEL_TYPES)}, got {model_type!r} in config.json"
        )
    expected = {"position_embedding_type": "sine", "activation_function": "relu"}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ValueError(f"convert: {key} must be {value!r}, got {config[key]!r} in config.json")
    if config.get("encoder_attention_heads", 8) != config.get("decoder_attention_heads", 8):
        raise ValueError("convert: encoder_attention_heads and decoder_attention_heads must be equal in config.json")


def _layers(state: Mapping[str, Tensor], part: str) -> int:
    return len({name.split(".")[2] for name in state if name.startswith(f"transformer.{part}.")})


def _backbone(depth: int, dilated: bool) -> DictConfig:
    """Return a ResNet with strides in its 3×3 convolutions, optionally with a dilated last stage (DC5)."""
    stages: Any = LazyCall(ResNet.make_default_stages)(depth=depth, stride_in_1x1=False, norm="FrozenBN")
    if dilated:
        if depth < 50:
            raise ValueError(f"convert: a dilated ResNet must have bottleneck blocks, got ResNet-{depth}")
        stages = [_stage(depth, index) for index in range(4)]
    return LazyCall(ResNet)(
        stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=stages,
        out_features=["res5"],
        freeze_at=1,
    )


def _stage(depth: int, index: int) -> DictConfig:
    """Return one stage; the last one has a dilation of 2 after its first block instead of a stride."""
    blocks = BLOCKS_PER_STAGE[depth][index]
    is_last = index == 3
    return LazyCall(ResNet.make_stage)(
        block_class=BottleneckBlock,
        num_blocks=blocks,
        in_channels=64 if index == 0 else 128 * 2**index,
        out_channels=256 * 2**index,
        bottleneck_channels=64 * 2**index,
        stride_per_block=[1 if index == 0 or is_last else 2] + [1] * (blocks - 1),
        dilation_per_block=[1] + [2 if is_last else 1] * (blocks - 1),
        stride_in_1x1=False,
        norm="FrozenBN",
    )
