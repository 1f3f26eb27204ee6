"""Configs of torchvision's SSD300 and SSDLite320."""

from typing import Any

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.backbone import SSDVGG, MobileNetV3, SSDLiteLevels, mobilenet_v3_large_blocks
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import SSD, SSDAnchorGenerator, SSDHead, SSDLiteHead

from .backbones import norm_spec, set_pixels

_WEIGHTS = [10.0, 10.0, 5.0, 5.0]


def ssd_config(source: Any) -> DictConfig:
    """Return the config of a model equivalent to an `SSD` of torchvision."""
    is_lite = not hasattr(source.backbone, "scale_weight")
    classifier = source.head.classification_head
    last_layers = [level[1] if is_lite else level for level in classifier.module_list]
    first_layers = [level[0][0] if is_lite else level for level in classifier.module_list]
    boxes = [level[1] if is_lite else level for level in source.head.regression_head.module_list]
    channels = [layer.in_channels for layer in first_layers]
    anchors = [layer.out_channels // 4 for layer in boxes]
    num_classes = last_layers[0].out_channels // anchors[0] - 1
    head = {"in_channels": channels, "num_anchors": anchors, "num_classes": "${..num_classes}"}
    if is_lite:
        norm = norm_spec(classifier.module_list[0][0][1])
        backbone, head_config = _mobilenet(source, norm), LazyCall(SSDLiteHead)(**head, norm=norm)
    else:
        backbone, head_config = LazyCall(SSDVGG)(), LazyCall(SSDHead)(**head)
    config = LazyCall(SSD)(
        backbone=backbone,
        head=head_config,
        anchor_generator=_anchors(source),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=_WEIGHTS),
        anchor_matcher=LazyCall(Matcher)(
            thresholds=[source.proposal_matcher.high_threshold], labels=[0, 1], allow_low_quality_matches=True
        ),
        num_classes=num_classes,
        topk_per_class=True,
        test_score_thresh=source.score_thresh,
        test_topk_candidates=source.topk_candidates,
        test_nms_thresh=source.nms_thresh,
        max_detections_per_image=source.detections_per_img,
    )
    set_pixels(config, source)
    return config


def _mobilenet(source: Any, norm: Any) -> DictConfig:
    last = source.backbone.features[1][-1][0]  # the 1×1 convolution after the blocks
    full = mobilenet_v3_large_blocks()[-1][2]
    return LazyCall(SSDLiteLevels)(
        bottom_up=LazyCall(MobileNetV3)(
            blocks=[list(block) for block in mobilenet_v3_large_blocks(reduced_tail=last.in_channels < full)],
            out_features=["expand13", "last"],
            norm=norm,
        ),
        channels=[level[-1][0].out_channels for level in source.backbone.extra],
        norm=norm,
    )


def _anchors(source: Any) -> DictConfig:
    generator = source.anchor_generator
    width, height = source.transform.fixed_size
    if width != height:
        raise ValueError(f"from_torchvision: an SSD must have square images, got {width}x{height}")
    sides = [scale * width for scale in generator.scales]
    return LazyCall(SSDAnchorGenerator)(
        min_sizes=sides[:-1],
        max_sizes=sides[1:],
        aspect_ratios=[list(map(float, ratios)) for ratios in generator.aspect_ratios],
        strides=list(map(float, generator.steps or _strides(width, len(sides) - 1))),
        max_side=float(width) if generator.clip else None,
    )


def _strides(size: int, levels: int) -> list[float]:
    """Return image size divided by feature map size for every level; each level has half of the previous cells."""
    cells = -(-size // 16)
    strides = []
    for _ in range(levels):
        strides.append(size / cells)
        cells = -(-cells // 2)
    return strides
