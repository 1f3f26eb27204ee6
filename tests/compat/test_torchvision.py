"""Equality of torchvision's detectors and the converted models."""

import pytest
import torch
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from detectory.compat.torchvision import convert_state_dict, from_torchvision

SIZE = (200, 264)


def small(builder, **kwargs):
    """torchvision model with a ResNet-18 and random weights that produce confident scores."""
    settings = {"weights": None, "trainable_layers": 3}
    if builder is detection.RetinaNet:
        settings |= {"returned_layers": [2, 3, 4], "extra_blocks": LastLevelP6P7(256, 256)}
    backbone = resnet_fpn_backbone(backbone_name="resnet18", **settings)
    model = builder(backbone, min_size=min(SIZE), max_size=max(SIZE), **kwargs)
    for name, weight in model.named_parameters():
        factors = {"cls_score": 2, "mask_fcn_logits": 6, "kps_score_lowres": 6, "bbox_pred": 3, "cls_logits": 30}
        weight.data *= factors.get(name.split(".")[-2], 1) if name.endswith("weight") else 1
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.6, 1.2)
    return model.eval()


def outputs(model):
    """Return the detections of torchvision, with region masks, and of the converted model."""
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)
    twin = from_torchvision(model)
    with torch.no_grad():
        theirs = model([image / 255])[0]
        ours = twin([{"image": image}])[0]["instances"]
    return theirs, ours


def counterparts(theirs, ours, first_class):
    """Return the index of our detection for each of torchvision's; every detection must have one."""
    assert len(ours) == len(theirs["boxes"]) > 10
    far = (theirs["boxes"][:, None] - ours.pred_boxes.tensor).abs().amax(dim=-1)
    far += 100 * (theirs["scores"][:, None] - ours.scores).abs()
    far[theirs["labels"][:, None] != ours.pred_classes + first_class] = torch.inf
    assert far.amin(dim=1).max() < 0.05
    return far.argmin(dim=1)


def test_mask_rcnn_detections_equal_torchvisions():
    theirs, ours = outputs(small(detection.MaskRCNN, num_classes=5, box_detections_per_img=20))
    match = counterparts(theirs, ours, first_class=1)
    # torchvision pastes masks into integer boxes, which shifts their borders slightly.
    same = (theirs["masks"][:, 0] >= 0.5) == ours.pred_masks[match]
    assert 0.02 < ours.pred_masks.float().mean() < 0.9
    assert same.float().mean() > 0.97


@pytest.mark.slow
def test_faster_rcnn_detections_equal_torchvisions():
    theirs, ours = outputs(small(detection.FasterRCNN, num_classes=5))
    counterparts(theirs, ours, first_class=1)


@pytest.mark.slow
def test_keypoint_rcnn_detections_equal_torchvisions():
    model = small(detection.KeypointRCNN, num_classes=2, num_keypoints=5, box_detections_per_img=20)
    theirs, ours = outputs(model)
    match = counterparts(theirs, ours, first_class=1)
    distance = (ours.pred_keypoints[match][..., :2] - theirs["keypoints"][..., :2]).abs().amax(dim=-1)
    assert (distance < 0.1).float().mean() > 0.95


def test_retinanet_detections_equal_torchvisions():
    # NMS is disabled because torchvision clips boxes before it, which changes IoUs at the image border.
    theirs, ours = outputs(small(detection.RetinaNet, num_classes=5, nms_thresh=1.0))
    counterparts(theirs, ours, first_class=0)


def test_names_of_older_files_are_converted():
    older = {
        "backbone.fpn.inner_blocks.0.weight": torch.zeros(1),
        "rpn.head.conv.bias": torch.zeros(1),
        "head.classification_head.conv.2.weight": torch.zeros(1),
        "roi_heads.mask_head.mask_fcn3.weight": torch.zeros(1),
    }
    assert list(convert_state_dict(older)) == [
        "backbone.fpn_lateral5.weight",
        "proposal_generator.rpn_head.conv.bias",
        "head.cls_subnet.2.weight",
        "roi_heads.mask_head.mask_fcn3.weight",
    ]


def test_rejects_unsupported_models():
    with pytest.raises(ValueError, match=r"'rpn.head.conv.1.weight' is not an entry"):
        convert_state_dict({"rpn.head.conv.1.weight": torch.zeros(1)})
    with pytest.raises(TypeError, match=r"must be one of KeypointRCNN, .* got Linear"):
        from_torchvision(torch.nn.Linear(1, 1))
