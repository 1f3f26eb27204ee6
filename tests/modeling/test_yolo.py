"""YOLOX, YOLOv3 and RTMDet: losses, detections, and assignment."""

import pytest
import torch

from detectory.modeling.rtmdet import RTMDet, RTMDetHead, RTMDetIns, RTMDetInsHead
from detectory.modeling.rtmdet.masks import resized_masks
from detectory.modeling.yolo import (
    CSPPAFPN,
    YOLOX,
    CSPDarknet,
    CSPNeXt,
    Darknet,
    YOLOv3,
    YOLOv3Head,
    YOLOv3Neck,
    YOLOXHead,
    dynamic_k_matching,
)
from detectory.structures import BitMasks, Boxes, Instances

CLASSES = 3
PIXELS = {"pixel_mean": [110.0] * 3, "pixel_std": [60.0] * 3}


def csp_pyramid(backbone, **settings):
    bottom_up = backbone(8, (8, 16, 16, 32), (1, 1, 1, 1))
    return CSPPAFPN(bottom_up, out_channels=16, depth=1, **settings)


def yolox():
    head = YOLOXHead(in_channels=[16] * 3, channels=16, num_classes=CLASSES)
    return YOLOX(backbone=csp_pyramid(CSPDarknet), head=head, num_classes=CLASSES, l1_loss_weight=1.0)


def yolov3():
    neck = YOLOv3Neck(Darknet((1, 1, 1, 1, 1)), channels=(8, 16, 32))
    head = YOLOv3Head(in_channels=(8, 16, 32), channels=(16, 32, 64), num_classes=CLASSES)
    return YOLOv3(backbone=neck, head=head, num_classes=CLASSES)


def rtmdet():
    neck = csp_pyramid(CSPNeXt, block="cspnext", out_kernel_size=3)
    return RTMDet(
        backbone=neck,
        head=RTMDetHead(in_channels=16, channels=16, num_classes=CLASSES),
        num_classes=CLASSES,
        pad_multiple=32,
        **PIXELS,
    )


def rtmdet_ins():
    neck = csp_pyramid(CSPNeXt, block="cspnext", out_kernel_size=3)
    head = RTMDetInsHead(in_channels=16, channels=16, num_classes=CLASSES)
    return RTMDetIns(backbone=neck, head=head, num_classes=CLASSES, pad_multiple=32, **PIXELS)


MODELS = {"YOLOX": yolox, "YOLOv3": yolov3, "RTMDet": rtmdet, "RTMDet-Ins": rtmdet_ins}
LOSSES = {
    "YOLOX": {"loss_cls", "loss_objectness", "loss_box_reg", "loss_l1"},
    "YOLOv3": {"loss_cls", "loss_objectness", "loss_xy", "loss_wh"},
    "RTMDet": {"loss_cls", "loss_box_reg"},
    "RTMDet-Ins": {"loss_cls", "loss_box_reg", "loss_mask"},
}


def build(name):
    torch.manual_seed(0)
    return MODELS[name]()


def ground_truth(boxes, classes, size=(80, 96)):
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return Instances(
        size,
        gt_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        gt_classes=torch.tensor(classes, dtype=torch.int64),
        gt_masks=BitMasks(masks),
    )


def batch():
    torch.manual_seed(1)
    image = torch.randint(0, 256, (3, 80, 96), dtype=torch.uint8)
    targets = ground_truth([[4, 4, 60, 50], [40, 30, 90, 76]], [0, 2])
    return [{"image": image, "instances": targets}, {"image": image, "instances": ground_truth([], [])}]


@pytest.mark.parametrize("name", MODELS)
def test_losses_are_finite_and_boxes_are_learnt(name):
    model, inputs = build(name), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    totals = []
    for _ in range(6):
        losses = model(inputs)
        assert set(losses) == LOSSES[name]
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        boxes = sum(loss.item() for key, loss in losses.items() if key in ("loss_box_reg", "loss_xy", "loss_wh"))
        totals.append(boxes)
        assert total.isfinite()
    assert totals[-1] < totals[0]


@pytest.mark.parametrize("name", MODELS)
def test_detections_have_the_size_of_the_output(name):
    model = build(name).eval()
    model.test_score_thresh = 0.0
    with torch.no_grad():
        found = model([{"image": batch()[0]["image"], "height": 160, "width": 192}])[0]["instances"]
    assert found.image_size == (160, 192)
    assert len(found) > 0
    assert (found.scores.diff() <= 0).all()
    if name == "RTMDet-Ins":
        assert found.pred_masks.shape == (len(found), 160, 192)
        assert set(found.get_fields()) == {"pred_boxes", "scores", "pred_classes", "pred_masks"}


def test_images_are_padded_to_squares_of_the_pad_value():
    model = build("YOLOX").eval()
    images = model.preprocess_image([{"image": torch.zeros(3, 40, 70)}])
    assert images.tensor.shape == (1, 3, 96, 96)
    assert (images.tensor[0, :, 40:] == 114).all()
    assert (images.tensor[0, :, :40, :70] == 0).all()


def test_dynamic_matching_keeps_the_cheapest_object_of_a_prediction():
    iou = torch.tensor([[0.9, 0.8], [0.9, 0.0], [0.3, 0.1]])
    cost = torch.tensor([[1.0, 0.5], [2.0, 9.0], [3.0, 8.0]])
    matches, positive = dynamic_k_matching(cost, iou, topk=2)  # one prediction per object
    assert positive.tolist() == [True, False, False]
    assert matches[0] == 1


def test_resized_masks_leave_out_the_padding():
    logits = torch.full((1, 4, 4), -5.0)
    logits[:, :2] = 5.0
    masks = resized_masks(logits, 8, (16, 32), (32, 64), 0.5)
    assert masks.shape == (1, 32, 64)
    assert masks.float().mean() > 0.85


def test_rejects_unknown_settings():
    with pytest.raises(ValueError, match="box_limit must be one of image, input, none, got 'page'"):
        YOLOX(backbone=csp_pyramid(CSPDarknet), head=yolox().head, num_classes=CLASSES, box_limit="page")
    with pytest.raises(ValueError, match="distances must be one of exp, relu, none, got 'log'"):
        RTMDetHead(in_channels=8, channels=8, num_classes=1, distances="log")
    with pytest.raises(ValueError, match="stage_channels and depths must have the same length, got 2 and 1"):
        CSPDarknet(8, (8, 16), (1,))
