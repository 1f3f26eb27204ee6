"""Conversion of MMDetection's state dicts."""

import pytest
import torch
from torchvision.models import resnet18

from detectory.compat.legacy import LegacyBox2BoxTransform
from detectory.compat.mmdet import build_model, convert_state_dict, is_version_1

CLASSES, CHANNELS = 4, (64, 128, 256, 512)


def layer(name, outputs, *inputs):
    weight = torch.full((outputs, *inputs), 0.001)  # filling with random numbers would take a second
    return {f"{name}.weight": weight, f"{name}.bias": torch.randn(outputs) * 0.01}


def pyramid(stages, extra=0):
    backbone = {f"backbone.{k}": v for k, v in resnet18().state_dict().items() if not k.startswith("fc.")}
    state = dict(backbone)
    for i, channels in enumerate(stages):
        state |= layer(f"neck.lateral_convs.{i}.conv", 256, channels, 1, 1)
    for i in range(len(stages) + extra):
        state |= layer(f"neck.fpn_convs.{i}.conv", 256, 512 if i == len(stages) else 256, 3, 3)
    return state


def mask_rcnn(version):
    """State dict of MMDetection's Mask R-CNN with a ResNet-18."""
    head, rows = ("", 1) if version == 1 else ("roi_head.", 0)
    state = pyramid(CHANNELS) | layer("rpn_head.rpn_conv", 256, 256, 3, 3)
    state |= layer("rpn_head.rpn_cls", 3, 256, 1, 1) | layer("rpn_head.rpn_reg", 12, 256, 1, 1)
    state |= layer(f"{head}bbox_head.shared_fcs.0", 1024, 12544) | layer(f"{head}bbox_head.shared_fcs.1", 1024, 1024)
    state |= layer(f"{head}bbox_head.fc_cls", CLASSES + 1, 1024)
    state |= layer(f"{head}bbox_head.fc_reg", 4 * (CLASSES + rows), 1024)
    for i in range(4):
        state |= layer(f"{head}mask_head.convs.{i}.conv", 256, 256, 3, 3)
    state |= layer(f"{head}mask_head.upsample", 256, 256, 2, 2)
    state |= layer(f"{head}mask_head.conv_logits", CLASSES + rows, 256, 1, 1)
    return state | ({"data_preprocessor.mean": torch.zeros(3, 1, 1)} if version == 3 else {})


def retinanet():
    state = pyramid(CHANNELS[1:], extra=2)
    for branch in ("cls", "reg"):
        for i in range(4):
            state |= layer(f"bbox_head.{branch}_convs.{i}.conv", 256, 256, 3, 3)
    state |= layer("bbox_head.retina_cls", 9 * CLASSES, 256, 3, 3)
    return state | layer("bbox_head.retina_reg", 36, 256, 3, 3)


def detect(model):
    image = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        return model([{"image": image}])[0]["instances"]


def test_state_dicts_of_all_versions_load_into_the_same_model():
    old, new, newest = (convert_state_dict(mask_rcnn(version)) for version in (1, 2, 3))
    assert [(k, v.shape) for k, v in old.items()] == [(k, v.shape) for k, v in new.items()]
    assert list(new) == list(newest)
    assert is_version_1(mask_rcnn(1))
    assert not is_version_1(mask_rcnn(2))


def test_background_class_of_version_1_is_moved_to_the_end():
    state = mask_rcnn(1)
    converted = convert_state_dict(state)
    scores, boxes = (state[f"bbox_head.{name}.bias"] for name in ("fc_cls", "fc_reg"))
    assert torch.equal(converted["roi_heads.box_predictor.cls_score.bias"], scores[[1, 2, 3, 4, 0]])
    assert torch.equal(converted["roi_heads.box_predictor.bbox_pred.bias"], boxes[4:])
    masks = state["mask_head.conv_logits.weight"]
    assert torch.equal(converted["roi_heads.mask_head.predictor.weight"], masks[1:])


@pytest.mark.slow
def test_mask_rcnn_uses_the_box_convention_of_its_version():
    new, old = build_model(mask_rcnn(2)), build_model(mask_rcnn(1), style="caffe")
    assert (new.input_format, old.input_format) == ("RGB", "BGR")
    assert new.roi_heads.num_classes == old.roi_heads.num_classes == CLASSES
    assert not isinstance(new.proposal_generator.box2box_transform, LegacyBox2BoxTransform)
    assert isinstance(old.roi_heads.box_predictor.box2box_transform, LegacyBox2BoxTransform)
    assert detect(new).has("pred_masks")
    # Version 1 rounds corners and centres anchors on the first four pixels.
    cell = old.proposal_generator.anchor_generator.cell_anchors[0]
    assert torch.equal(cell[1], torch.tensor([-14.0, -14.0, 17.0, 17.0]))


def test_retinanet_anchors_are_reordered_to_size_major():
    state = retinanet()
    model = build_model(state)
    theirs = state["bbox_head.retina_cls.bias"].view(3, 3, CLASSES)  # ratios, sizes
    ours = model.head.cls_score.bias.view(3, 3, CLASSES)  # sizes, ratios
    assert torch.equal(ours, theirs.transpose(0, 1))
    x = torch.randn(1, 512, 8, 8)
    p6, p7 = model.backbone.top_block(x)
    assert torch.equal(model.backbone.top_block.p7(p6), p7)
    assert detect(model).has("scores")


@pytest.mark.slow
def test_cascade_has_one_box_head_per_stage():
    state = {k: v for k, v in mask_rcnn(2).items() if "roi_head" not in k}
    for i in range(3):
        head = f"roi_head.bbox_head.{i}."
        state |= layer(f"{head}shared_fcs.0", 1024, 12544) | layer(f"{head}shared_fcs.1", 1024, 1024)
        state |= layer(f"{head}fc_cls", CLASSES + 1, 1024) | layer(f"{head}fc_reg", 4, 1024)
    model = build_model(state)
    assert len(model.roi_heads.box_predictor) == 3
    assert torch.equal(model.roi_heads.box_head[2].fc1.bias, state["roi_head.bbox_head.2.shared_fcs.0.bias"])
    assert detect(model).has("scores")


def test_rejects_state_dicts_of_other_architectures():
    with pytest.raises(ValueError, match=r"'roi_head.semantic_head.0.bias' is not an entry"):
        convert_state_dict({"roi_head.semantic_head.0.bias": torch.zeros(1)} | mask_rcnn(2))
    with pytest.raises(ValueError, match=r"belongs to none of .*; its heads are \['bbox_head.conv_x'\]"):
        convert_state_dict({"bbox_head.conv_x.bias": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"The nearest architectures are .*YOLOX"):
        convert_state_dict({"bbox_head.multi_level_conv_object.0.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="style must be 'pytorch' or 'caffe', got 'tf'"):
        build_model({}, style="tf")
    with pytest.raises(ValueError, match=r"rules must be one of 'mmdet-legacy', 'mmdet-1\.0', got 'old'"):
        build_model({}, rules="old")
    with pytest.raises(ValueError, match=r"missing \['roi_heads.mask_head.deconv.weight'"):
        build_model({k: v for k, v in mask_rcnn(2).items() if "upsample" not in k})
