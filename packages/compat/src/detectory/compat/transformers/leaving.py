"""Weights of our DETR for transformers."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.storage import staged_folder
from detectory.modeling.backbone import ResNet
from detectory.modeling.detr import DETR

from .folder import CONFIG, PROCESSOR, WEIGHTS
from .images import DETRResize
from .names import revert_detr

_CLASSES = {
    False: ("detr", "DetrForObjectDetection"),
    True: ("table-transformer", "TableTransformerForObjectDetection"),
}


def write_pretrained(
    model: nn.Module, path: str | os.PathLike[str], classes: Sequence[str] | None = None, resize: Any = None
) -> str:
    """Write a folder that `from_pretrained` of transformers reads.

    Args:
        model: A DETR on a ResNet with strides in its 3×3 convolutions.
        path: The folder; must not exist.
        classes: The class names.
        resize: The augmentation that resizes images.

    Returns:
        The name of the class in transformers that reads the folder.

    Raises:
        ValueError: If transformers does not have the architecture.
    """
    if not isinstance(model, DETR) or not isinstance(model.backbone, ResNet):
        raise ValueError(f"convert: transformers has no model like this {type(model).__name__}; a DETR is required")
    source: Any = model
    backbone: Any = model.backbone
    if getattr(backbone.res3[0], "conv3", None) is not None and backbone.res3[0].conv1.stride[0] > 1:
        raise ValueError("convert: transformers has no ResNets with strides in 1×1 convolutions (stride_in_1x1=True)")
    if source.input_format != "RGB":
        raise ValueError(f"convert: the images of transformers are RGB, the model needs {source.input_format}")
    transformer = source.transformer
    model_type, name = _CLASSES[transformer.encoder[0].norm_first]
    depth = resnet_depth(source.state_dict())
    names = [f"LABEL_{i}" for i in range(source.num_classes)] if classes is None else list(classes)
    config = {
        "model_type": model_type,
        "architectures": [name],
        "use_timm_backbone": True,
        "backbone": f"resnet{depth}",
        "use_pretrained_backbone": False,
        "backbone_config": None,
        "dilation": backbone.output_shape()["res5"].stride == 16,
        "num_channels": 3,
        "num_queries": source.query_embed.num_embeddings,
        "d_model": transformer.channels,
        "encoder_layers": len(transformer.encoder),
        "decoder_layers": len(transformer.decoder),
        "encoder_attention_heads": transformer.encoder[0].self_attn.num_heads,
        "decoder_attention_heads": transformer.decoder[0].self_attn.num_heads,
        "encoder_ffn_dim": transformer.encoder[0].ffn.linear1.out_features,
        "decoder_ffn_dim": transformer.decoder[0].ffn.linear1.out_features,
        "dropout": transformer.encoder[0].dropout,
        "activation_function": "relu",
        "position_embedding_type": "sine",
        "id2label": dict(enumerate(names)),
        "label2id": {label: i for i, label in enumerate(names)},
    }
    with staged_folder(Path(path)) as staged:
        (staged / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        (staged / PROCESSOR).write_text(json.dumps(_processor(source, resize), indent=2), encoding="utf-8")
        save_file(revert_detr(source.state_dict()), str(staged / WEIGHTS), metadata={"format": "pt"})
    return name


def _processor(model: Any, resize: Any) -> dict[str, Any]:
    """Return the config of an image processor."""
    shorter, longest = 800, 1333
    if isinstance(resize, DETRResize):
        shorter, longest = resize.shortest_edge, resize.longest_edge or 10**6
    elif hasattr(resize, "short_edge_length"):
        lengths = resize.short_edge_length
        shorter, longest = (lengths if isinstance(lengths, int) else max(lengths)), resize.max_size
    return {
        "image_processor_type": "DetrImageProcessor",
        "format": "coco_detection",
        "do_resize": True,
        "size": {"shortest_edge": shorter, "longest_edge": longest},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [x / 255 for x in model.pixel_mean.flatten().tolist()],
        "image_std": [x / 255 for x in model.pixel_std.flatten().tolist()],
        "do_pad": True,
    }
