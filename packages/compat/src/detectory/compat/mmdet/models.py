"""Detectory models for MMDetection's weights."""

from collections.abc import Mapping

from omegaconf import DictConfig, open_dict
from torch import Tensor, nn

from detectory import zoo
from detectory.compat._pytorch_resnet import resnet_depth
from detectory.compat.detectron1 import use_legacy_layers
from detectory.core.config import LazyCall, instantiate
from detectory.modeling.backbone import LastLevelP6P7
from detectory.zoo.parts.cascade import make_cascade

from .weights import convert_state_dict, is_retinanet, is_version_1

RGB = {"pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375], "input_format": "RGB"}
BGR = {"pixel_mean": [103.53, 116.28, 123.675], "pixel_std": [1.0, 1.0, 1.0], "input_format": "BGR"}


class PlainP6P7(LastLevelP6P7):
    """FPN levels P6 and P7 without an activation in between, as in MMDetection."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map `(B, in_channels, H, W)` to P6 and P7."""
        p6 = self.p6(x)
        return [p6, self.p7(p6)]


def build_model(state: Mapping[str, Tensor], style: str = "pytorch", version_1: bool | None = None) -> nn.Module:
    """Build the detector that matches an MMDetection state dict, and load its weights.

    Args:
        state: State dict of a Faster, Mask or Cascade R-CNN or a RetinaNet with a ResNet-FPN.
        style: ResNet variant: `"pytorch"` has strides in 3×3 convolutions and RGB input, `"caffe"` has strides in 1×1
            convolutions and BGR input.
        version_1: Whether the model was trained with MMDetection 1.x, which used Detectron's anchors and boxes. By
            default detected from the parameter names; a RetinaNet is assumed to be newer.

    Returns:
        The model in evaluation mode.

    Raises:
        ValueError: If the style is unknown, or the state dict belongs to another architecture.
    """
    if style not in ("pytorch", "caffe"):
        raise ValueError(f"build_model: style must be 'pytorch' or 'caffe', got {style!r}")
    converted = convert_state_dict(state)
    config = _config(converted, is_retinanet(state))
    with open_dict(config):
        config.update(RGB if style == "pytorch" else BGR)
        stages = config.backbone.bottom_up.stages
        stages.depth, stages.stride_in_1x1 = resnet_depth(converted), style == "caffe"
    model = instantiate(config)
    missing, unexpected = model.load_state_dict(converted, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"build_model: state dict does not match: missing {missing[:3]}, unexpected {unexpected[:3]}")
    if is_version_1(state) if version_1 is None else version_1:
        use_legacy_layers(model, round_sides=False)
    return model.eval()


def _config(converted: Mapping[str, Tensor], retinanet: bool) -> DictConfig:
    if retinanet:
        config = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
        block = converted["backbone.top_block.p6.weight"]
        with open_dict(config):
            config.num_classes = converted["head.cls_score.weight"].shape[0] // 9
            config.backbone.top_block = LazyCall(PlainP6P7)(
                in_channels=block.shape[1], out_channels=256, in_feature="p5" if block.shape[1] == 256 else "res5"
            )
        return config
    cascade = "roi_heads.box_predictor.0.cls_score.weight" in converted
    config = zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x").model
    last = "roi_heads.box_predictor.0." if cascade else "roi_heads.box_predictor."
    with open_dict(config):
        if cascade:
            make_cascade(config, conv_norm="")
            for head in config.roi_heads.box_heads:
                head.conv_dims, head.fc_dims = [], [1024, 1024]
        config.roi_heads.num_classes = converted[f"{last}cls_score.weight"].shape[0] - 1
        if "roi_heads.mask_head.predictor.weight" not in converted:
            for part in ("mask_in_features", "mask_pooler", "mask_head"):
                del config.roi_heads[part]
    return config
