"""Mask R-CNN R-50-FPN of Detectory and of torchvision, with the same weights."""

import torch
import torchvision
from torch import nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import FPN, BasicStem, LastLevelMaxPool, ResNet
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import GeneralizedRCNN
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.proposal_generator import RPN, StandardRPNHead
from detectory.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
    StandardROIHeads,
)

CLASSES = 80
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
LEVELS = ["p2", "p3", "p4", "p5"]


def detectory_model(score_threshold: float = 0.05) -> nn.Module:
    """Return our model with torchvision's settings: strides in 3×3 convolutions, the same number of proposals."""
    stages = ResNet.make_default_stages(50, norm="FrozenBN", stride_in_1x1=False)
    bottom_up = ResNet(BasicStem(norm="FrozenBN"), stages, out_features=["res2", "res3", "res4", "res5"], freeze_at=2)
    anchors = DefaultAnchorGenerator(
        sizes=[[32], [64], [128], [256], [512]],
        aspect_ratios=[0.5, 1.0, 2.0],
        strides=[4, 8, 16, 32, 64],
        offset=0.0,
    )
    rpn = RPN(
        in_features=[*LEVELS, "p6"],
        head=StandardRPNHead(in_channels=256, num_anchors=3),
        anchor_generator=anchors,
        anchor_matcher=Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=Box2BoxTransform((1.0, 1.0, 1.0, 1.0)),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000),
        post_nms_topk=(2000, 1000),
    )
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    box_head = FastRCNNConvFCHead(ShapeSpec(channels=256, height=7, width=7), conv_dims=[], fc_dims=[1024, 1024])
    heads = StandardROIHeads(
        num_classes=CLASSES,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=Matcher([0.5], [0, 1]),
        box_in_features=LEVELS,
        box_pooler=ROIPooler(7, scales, 2, "ROIAlign"),
        box_head=box_head,
        box_predictor=FastRCNNOutputLayers(
            box_head.output_shape,
            box2box_transform=Box2BoxTransform((10.0, 10.0, 5.0, 5.0)),
            num_classes=CLASSES,
            test_score_thresh=score_threshold,
        ),
        mask_in_features=LEVELS,
        mask_pooler=ROIPooler(14, scales, 2, "ROIAlign"),
        mask_head=MaskRCNNConvUpsampleHead(ShapeSpec(channels=256), num_classes=CLASSES, conv_dims=[256] * 5),
    )
    return GeneralizedRCNN(
        backbone=FPN(bottom_up, ["res2", "res3", "res4", "res5"], 256, top_block=LastLevelMaxPool()),
        proposal_generator=rpn,
        roi_heads=heads,
        pixel_mean=MEAN,
        pixel_std=STD,
    )


@torch.no_grad()
def randomize(model: nn.Module) -> nn.Module:
    """Randomize the weights such that an untrained network detects about a hundred objects per image."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        draw = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(1 + 0.1 * draw.abs())
        elif tensor.dim() == 1:
            tensor.copy_(1 + 0.1 * draw if name.endswith("weight") else 0.05 * draw)
        else:
            gain = 0.25 if ".conv3." in name else 1.0
            for part, factor in (("objectness", 0.5), ("deltas", 0.1), ("cls_score", 0.2), ("bbox_pred", 0.05)):
                gain *= factor if part in name else 1.0
            tensor.copy_(draw * gain * (2 / tensor[0].numel()) ** 0.5)
    return model


def torchvision_model(
    ours: nn.Module, size: tuple[int, int], score_threshold: float = 0.05, *, training: bool = False
) -> nn.Module:
    """Return torchvision's model with our weights, for images of `size` (height, width), which are not resized.

    For training, the stem, the first stage and all norms are frozen, as in our model and as torchvision does with
    pre-trained backbones. Otherwise the norms are regular batch norms, which are faster in evaluation mode.
    """
    settings = {
        "num_classes": CLASSES + 1,
        "min_size": min(size),
        "max_size": max(size),
        "image_mean": [m / 255 for m in MEAN],
        "image_std": [s / 255 for s in STD],
        "box_score_thresh": score_threshold,
    }
    if training:
        norm = torchvision.ops.FrozenBatchNorm2d
        parts = {"backbone_name": "resnet50", "weights": None, "norm_layer": norm, "trainable_layers": 3}
        model = MaskRCNN(resnet_fpn_backbone(**parts), **settings)
    else:
        model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **settings)
    source, target = ours.state_dict(), {}
    for name, value in source.items():
        target[torchvision_name(name)] = background_first(name, value)
    missing, unexpected = model.load_state_dict(target, strict=False)
    assert not unexpected, unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return model


def torchvision_name(name: str) -> str:
    """Return torchvision's name of an entry of our state dict."""
    parts = name.split(".")
    if name.startswith("backbone.bottom_up.stem"):
        layer = "bn1" if "norm" in parts else "conv1"
        return f"backbone.body.{layer}.{parts[-1]}"
    if name.startswith("backbone.bottom_up.res"):
        stage, block, layer = int(parts[2][3:]) - 1, parts[3], parts[4]
        norm = "norm" in parts
        inner = f"downsample.{int(norm)}" if layer == "shortcut" else f"{'bn' if norm else 'conv'}{layer[-1]}"
        return f"backbone.body.layer{stage}.{block}.{inner}.{parts[-1]}"
    if name.startswith("backbone.fpn"):
        blocks = "inner_blocks" if "lateral" in name else "layer_blocks"
        return f"backbone.fpn.{blocks}.{int(parts[1][-1]) - 2}.0.{parts[-1]}"
    for ours, theirs in (
        ("proposal_generator.rpn_head.conv", "rpn.head.conv.0.0"),
        ("proposal_generator.rpn_head.objectness_logits", "rpn.head.cls_logits"),
        ("proposal_generator.rpn_head.anchor_deltas", "rpn.head.bbox_pred"),
        ("roi_heads.box_head.fc1", "roi_heads.box_head.fc6"),
        ("roi_heads.box_head.fc2", "roi_heads.box_head.fc7"),
        ("roi_heads.mask_head.deconv", "roi_heads.mask_predictor.conv5_mask"),
        ("roi_heads.mask_head.predictor", "roi_heads.mask_predictor.mask_fcn_logits"),
    ):
        if name.startswith(ours + "."):
            return theirs + name[len(ours) :]
    if "mask_fcn" in name:
        return f"roi_heads.mask_head.{int(parts[2][-1]) - 1}.0.{parts[-1]}"
    return name


def background_first(name: str, value: torch.Tensor) -> torch.Tensor:
    """Move the outputs of the background class from last to first, or insert zeros if the layer does not predict it."""
    if "cls_score" in name:
        return torch.cat((value[-1:], value[:-1]))
    if "bbox_pred" in name:
        return torch.cat((torch.zeros_like(value[:4]), value))
    if "mask_head.predictor" in name:
        return torch.cat((torch.zeros_like(value[:1]), value))
    return value
