"""Parameter names of DETR and Table Transformer in transformers."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed
from detectory.core.checkpoint.torchvision_names import resnet_name

_BACKBONE = "model.backbone.conv_encoder.model."
_PROJECTIONS = ("q_proj", "k_proj", "v_proj")

#: Attentions and norms of the layers: their names, ours, and the part that has them.
_ATTENTIONS = (
    ("encoder", "self_attn", "self_attn"),
    ("decoder", "self_attn", "self_attn"),
    ("decoder", "encoder_attn", "cross_attn"),
)
_NORMS = (
    ("encoder", "self_attn_layer_norm", "norm1"),
    ("encoder", "final_layer_norm", "norm2"),
    ("decoder", "self_attn_layer_norm", "norm1"),
    ("decoder", "encoder_attn_layer_norm", "norm2"),
    ("decoder", "final_layer_norm", "norm3"),
)
_LAYER = r"model\.{}\.layers\.(\d+)\.{}"
_RULES = [
    *[
        (rf"{_LAYER.format(part, theirs)}\.{kind}", rf"transformer.{part}.\1.{ours}.\2")
        for part, theirs, ours in _ATTENTIONS
        for kind in (r"(out_proj\.\w+)", r"(in_proj_\w+)")
    ],
    *[(rf"{_LAYER.format(part, theirs)}\.(\w+)", rf"transformer.{part}.\1.{ours}.\2") for part, theirs, ours in _NORMS],
    (r"model\.(encoder|decoder)\.layers\.(\d+)\.fc([12])\.(\w+)", r"transformer.\1.\2.ffn.linear\3.\4"),
    (r"model\.decoder\.layernorm\.(\w+)", r"transformer.norm.\1"),
    (r"model\.encoder\.layernorm\.(\w+)", r"transformer.encoder_norm.\1"),
    (r"model\.input_projection\.(\w+)", r"input_proj.\1"),
    (r"model\.query_position_embeddings\.weight", "query_embed.weight"),
    (r"class_labels_classifier\.(\w+)", r"class_embed.\1"),
    (r"bbox_predictor\.layers\.(\d)\.(\w+)", r"bbox_embed.\1.\2"),
]

#: Names in memory since version 5, and in the files of all versions.
_CURRENT_NAMES = (
    (r"^model\.backbone\.model\.", _BACKBONE),
    (r"\.o_proj\.", ".out_proj."),
    (r"\.mlp\.fc", ".fc"),
)

#: The ResNet of transformers itself, in the names of timm's and torchvision's.
_OWN_RESNET = (
    (r"embedder\.embedder\.convolution\.(\w+)", lambda m: f"conv1.{m[1]}"),
    (r"embedder\.embedder\.normalization\.(\w+)", lambda m: f"bn1.{m[1]}"),
    (
        r"encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.convolution\.(\w+)",
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.conv{int(m[3]) + 1}.{m[4]}",
    ),
    (
        r"encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.normalization\.(\w+)",
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.bn{int(m[3]) + 1}.{m[4]}",
    ),
    (
        r"encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.convolution\.(\w+)",
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.downsample.0.{m[3]}",
    ),
    (
        r"encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.normalization\.(\w+)",
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.downsample.1.{m[3]}",
    ),
)


def convert_detr(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the weights of DETR or Table Transformer.

    Args:
        state: Tensors by the names of transformers, of a file or of a model in memory.

    Returns:
        Tensors by our names.

    Raises:
        ValueError: If an entry does not belong to these models.
    """
    resnet: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key
        for pattern, replacement in _CURRENT_NAMES:
            name = re.sub(pattern, replacement, name)
        ours = resnet_name(_plain_resnet(name.removeprefix(_BACKBONE))) if name.startswith(_BACKBONE) else None
        if ours is None:
            others[name] = tensor
        elif not ours.endswith("num_batches_tracked"):
            resnet[f"backbone.{ours}"] = tensor
    return resnet | renamed(_with_joined_projections(others), _RULES, "convert_detr")


def revert_detr(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of our DETR by the names in the files of transformers."""
    result: dict[str, Tensor] = {}
    for ours, value in state.items():
        if ours.endswith("num_batches_tracked"):
            continue
        name, tensor = _theirs(ours), value.detach().cpu().contiguous()
        if ".in_proj_" not in name:
            result[name] = tensor
            continue
        layer, kind = name.split(".in_proj_")
        for projection, part in zip(_PROJECTIONS, tensor.chunk(3), strict=True):
            result[f"{layer}.{projection}.{kind}"] = part.clone()
    return result


def _plain_resnet(name: str) -> str:
    """Return the name of a ResNet's parameter as torchvision has it."""
    for pattern, rename in _OWN_RESNET:
        if match := re.fullmatch(pattern, name):
            return rename(match)
    return name


def _with_joined_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join the projections of queries, keys and values of each attention."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"(.+)\.(q_proj|k_proj|v_proj)\.(\w+)", name)
        if match is None:
            result[name] = tensor
        elif match[2] == "q_proj":
            parts = [state[f"{match[1]}.{projection}.{match[3]}"] for projection in _PROJECTIONS]
            result[f"{match[1]}.in_proj_{match[3]}"] = torch.cat(parts)
    return result


def _theirs(name: str) -> str:
    """Return the name of transformers for one of our names."""
    if name.startswith("backbone."):
        return _BACKBONE + _torchvision_name(name.removeprefix("backbone."))
    match = re.fullmatch(r"transformer\.(encoder|decoder)\.(\d+)\.(\w+)\.(.+)", name)
    if match:
        part, index, layer, rest = match.groups()
        layer = next(
            (theirs for where, theirs, ours in (*_ATTENTIONS, *_NORMS) if (where, ours) == (part, layer)), layer
        )
        if layer == "ffn":
            return f"model.{part}.layers.{index}.{rest.replace('linear', 'fc')}"
        return f"model.{part}.layers.{index}.{layer}.{rest}"
    for ours, theirs in (
        ("transformer.encoder_norm.", "model.encoder.layernorm."),
        ("transformer.norm.", "model.decoder.layernorm."),
        ("input_proj.", "model.input_projection."),
        ("query_embed.", "model.query_position_embeddings."),
        ("class_embed.", "class_labels_classifier."),
        ("bbox_embed.", "bbox_predictor.layers."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"revert_detr: {name!r} is not an entry of a DETR")


def _torchvision_name(name: str) -> str:
    """Return the name in torchvision's ResNet for one of our names."""
    name = name.removeprefix("stem.")
    if match := re.fullmatch(r"res(\d)\.(\d+)\.shortcut(\.norm)?\.(\w+)", name):
        return f"layer{int(match[1]) - 1}.{match[2]}.downsample.{int(match[3] is not None)}.{match[4]}"
    name = re.sub(r"^res(\d)\.", lambda m: f"layer{int(m[1]) - 1}.", name)
    return re.sub(r"conv(\d)\.norm\.", r"bn\1.", name)
