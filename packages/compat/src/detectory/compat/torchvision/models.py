"""Our twin of a detector of torchvision."""

from typing import Any

from omegaconf import DictConfig, open_dict
from torch import nn

from detectory import zoo
from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.config import LazyCall, instantiate
from detectory.modeling.layers import FrozenBatchNorm2d

from .anchors import TorchvisionAnchorGenerator
from .weights import convert_state_dict

_RECIPES = {
    "KeypointRCNN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "MaskRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "FasterRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x",
}


def from_torchvision(model: nn.Module) -> nn.Module:
    """Build the detector of ours that gives the same outputs, with the same weights.

    Its inputs are ours: RGB images from 0 to 255, which it does not resize. Classes are counted from 0: torchvision's
    class 1 is class 0; only RetinaNet, which has no background, keeps its numbers. RetinaNet's boxes are clipped to the
    image after suppression, not before it: of two that overlap at the rim the other one may stay.

    Args:
        model: torchvision's `FasterRCNN`, `MaskRCNN`, `KeypointRCNN` or `RetinaNet` with a ResNet-FPN and its anchors
            as `fasterrcnn_resnet50_fpn`, `maskrcnn_resnet50_fpn`, `keypointrcnn_resnet50_fpn` and
            `retinanet_resnet50_fpn` build it. Its thresholds and limits are taken over.

    Returns:
        A `GeneralizedRCNN` or `RetinaNet` in evaluation mode.

    Raises:
        TypeError: another class of model.
        ValueError: a model of such a class with other parts.
    """
    source: Any = model
    kind = type(source).__name__
    if kind not in _RECIPES:
        raise TypeError(f"from_torchvision: model must be one of {', '.join(_RECIPES)}, got {kind}")
    state = convert_state_dict(source.state_dict())
    config = zoo.get_config(_RECIPES[kind]).model
    with open_dict(config):
        _set_backbone(config, source, resnet_depth(state))
        if kind == "RetinaNet":
            _set_retinanet(config, source)
        else:
            _set_two_stages(config, source, kind)
    twin = instantiate(config)
    missing, unexpected = twin.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"from_torchvision: this {kind} has other parts than a plain one:"
            f" without {missing[:3]}, and with {unexpected[:3]}"
        )
    for module in twin.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = source.backbone.body.bn1.eps
    return twin.eval()


def _set_backbone(config: DictConfig, source: Any, depth: int) -> None:
    stages = config.backbone.bottom_up.stages
    stages.depth, stages.stride_in_1x1 = depth, False
    config.pixel_mean = [255 * value for value in source.transform.image_mean]
    config.pixel_std = [255 * value for value in source.transform.image_std]
    config.input_format = "RGB"


def _set_two_stages(config: DictConfig, source: Any, kind: str) -> None:
    heads, proposals = config.roi_heads, config.proposal_generator
    proposals.anchor_generator._target_ = TorchvisionAnchorGenerator
    theirs = source.rpn
    proposals.pre_nms_topk = [theirs._pre_nms_top_n["training"], theirs._pre_nms_top_n["testing"]]
    proposals.post_nms_topk = [theirs._post_nms_top_n["training"], theirs._post_nms_top_n["testing"]]
    proposals.nms_thresh = theirs.nms_thresh
    heads.num_classes = source.roi_heads.box_predictor.cls_score.out_features - 1
    heads.box_predictor.test_score_thresh = source.roi_heads.score_thresh
    heads.box_predictor.test_nms_thresh = source.roi_heads.nms_thresh
    heads.box_predictor.test_topk_per_image = source.roi_heads.detections_per_img
    if kind == "FasterRCNN":
        for part in ("mask_in_features", "mask_pooler", "mask_head"):
            del heads[part]
    if kind == "KeypointRCNN":
        heads.keypoint_head.num_keypoints = source.roi_heads.keypoint_predictor.kps_score_lowres.out_channels
    for name in ("box_pooler", "mask_pooler", "keypoint_pooler"):
        if name in heads:
            heads[name].pooler_type = "ROIAlign"
            heads[name].sampling_ratio = getattr(source.roi_heads, name.replace("pooler", "roi_pool")).sampling_ratio


def _set_retinanet(config: DictConfig, source: Any) -> None:
    classes = source.head.classification_head.num_classes
    config.num_classes = classes
    # torchvision's sizes are whole numbers.
    sizes = [[float(int(x * 2 ** (k / 3))) for k in range(3)] for x in (32, 64, 128, 256, 512)]
    config.anchor_generator = LazyCall(TorchvisionAnchorGenerator)(
        sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128], offset=0.0
    )
    block = source.backbone.fpn.extra_blocks
    config.backbone.top_block.in_channels = block.p6.in_channels
    config.backbone.top_block.in_feature = "p5" if block.use_P5 else "res5"
    config.test_score_thresh = source.score_thresh
    config.test_nms_thresh = source.nms_thresh
    config.test_topk_candidates = source.topk_candidates
    config.max_detections_per_image = source.detections_per_img
