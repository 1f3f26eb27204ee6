"""Pixel conventions of Detectron, maskrcnn-benchmark and MMDetection 1.x."""

import pytest
import torch
from tests.modeling import tiny_models
from torch import nn
from torch.nn import functional as F

from detectory.compat import mmdet
from detectory.compat.legacy import (
    DETECTRON,
    MASKRCNN_BENCHMARK,
    MMDET_1_0,
    MMDET_LEGACY,
    LegacyAnchorGenerator,
    LegacyBox2BoxTransform,
    LegacyRules,
    PixelBoxes,
    use_legacy_rules,
)
from detectory.compat.legacy.masks import PaddedWholePixelMasks, WholePixelMasks
from detectory.compat.legacy.roi_align import InclusiveROIAlign
from detectory.modeling.layers import ROIAlign


def test_anchors_equal_the_published_ones_of_faster_rcnn():
    generator = LegacyAnchorGenerator(sizes=[[128, 256]], aspect_ratios=[0.5, 1.0, 2.0], strides=[16])
    # Published by Ren et al. for base boxes of 16 pixels at scales 8 and 16.
    wanted = [
        [-84, -40, 99, 55],
        [-56, -56, 71, 71],
        [-36, -80, 51, 95],
        [-176, -88, 191, 103],
        [-120, -120, 135, 135],
        [-80, -168, 95, 183],
    ]
    assert torch.equal(generator.cell_anchors[0], torch.tensor(wanted, dtype=torch.float32))
    second = generator([torch.zeros(1, 1, 2, 2)])[0].tensor[6:12]
    assert torch.equal(second, generator.cell_anchors[0] + torch.tensor([16.0, 0, 16, 0]))


def test_deltas_refer_to_pixel_inclusive_widths():
    transform, box = LegacyBox2BoxTransform((1, 1, 1, 1)), torch.tensor([[10.0, 20.0, 19.0, 29.0]])
    assert torch.equal(transform.apply_deltas(torch.zeros(1, 4), box), box)
    doubled = transform.apply_deltas(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), box)
    sides = doubled[:, 2:] - doubled[:, :2] + 1
    assert torch.allclose(sides, 10 * torch.tensor([2.0, 2.0]).exp())


def test_applying_deltas_inverts_computing_them():
    transform = LegacyBox2BoxTransform((10, 10, 5, 5))
    source, target = torch.tensor([[10.0, 20.0, 19.0, 49.0]]), torch.tensor([[5.0, 22.0, 33.0, 41.0]])
    assert torch.allclose(transform.apply_deltas(transform.get_deltas(source, target), source), target, atol=1e-4)


@pytest.mark.parametrize("rules", [DETECTRON, MASKRCNN_BENCHMARK, MMDET_LEGACY, MMDET_1_0])
@pytest.mark.parametrize(
    "build", [tiny_models.rcnn, tiny_models.retinanet, lambda: tiny_models.rcnn(tiny_models.cascade_heads())]
)
def test_models_are_switched_to_legacy_rules_without_changing_weights(build, rules):
    model = build().eval()
    names, image = list(model.state_dict()), {"image": torch.zeros(3, 64, 96)}
    assert use_legacy_rules(model, rules) is model
    assert list(model.state_dict()) == names
    assert all(not module.aligned for module in model.modules() if hasattr(module, "aligned"))
    with torch.no_grad():
        model([image])
    with pytest.raises(ValueError, match="must have box deltas"):
        use_legacy_rules(model, rules)


def test_rejects_models_without_boxes():
    with pytest.raises(ValueError, match="must have box deltas, got Linear"):
        use_legacy_rules(nn.Linear(1, 1), DETECTRON)


def test_legacy_coder_of_mmdetection_keeps_the_center_and_adds_a_pixel():
    box = torch.tensor([[10.0, 20.0, 19.0, 29.0]])
    decoded = LegacyBox2BoxTransform((1, 1, 1, 1), exact_corners=False).apply_deltas(torch.zeros(1, 4), box)
    assert torch.equal(decoded, torch.tensor([[9.5, 19.5, 19.5, 29.5]]))


def test_pixel_boxes_end_at_the_last_pixel_of_the_image_and_of_the_resized_image():
    boxes = PixelBoxes(torch.tensor([[-3.0, 2.0, 500.0, 300.0]]))
    boxes.clip((200, 400))
    assert boxes.tensor.tolist() == [[0, 2, 399, 199]]
    boxes.scale(0.5, 2.0)
    boxes.clip((400, 200))
    assert boxes.tensor.tolist() == [[0, 4, 199.5, 398]]


def test_inclusive_roi_align_pools_to_the_end_of_the_last_pixel():
    features = torch.randn(1, 2, 16, 16)
    box, longer = torch.tensor([[0, 8.0, 8.0, 39.0, 23.0]]), torch.tensor([[0, 8.0, 8.0, 40.0, 24.0]])
    inclusive = InclusiveROIAlign(7, 0.25, 2, aligned=False)(features, box)
    assert torch.allclose(inclusive, ROIAlign(7, 0.25, 2, aligned=False)(features, longer), atol=1e-6)
    # A single pixel is a quarter of a cell wide; the older operator enlarges it to a whole cell.
    pixel = torch.tensor([[0, 8.0, 8.0, 8.0, 8.0]])
    small = InclusiveROIAlign(2, 0.25, 1, aligned=False)(features, pixel)
    assert not torch.allclose(small, ROIAlign(2, 0.25, 1, aligned=False)(features, pixel), atol=1e-3)


def test_masks_are_pasted_into_whole_pixels():
    masks, box = torch.rand(1, 28, 28), torch.tensor([[4.7, 3.2, 20.9, 30.1]])
    pasted = WholePixelMasks(masks).to_bitmasks(box, 25, 40).tensor[0]
    resized = F.interpolate(masks[None], (28, 17), mode="bilinear", align_corners=False)[0, 0] > 0.5
    assert torch.equal(pasted[3:25, 4:21], resized[:22])
    assert int(pasted.sum()) == int(resized[:22].sum())
    padded = PaddedWholePixelMasks(torch.ones(1, 28, 28)).to_bitmasks(box, 40, 40).tensor[0]
    assert padded[3:31, 5:21].all()
    assert not padded[:, :3].any()


def test_unknown_rules_are_rejected():
    with pytest.raises(ValueError, match="anchors must be 'detectron', 'mmdet' or None, got 'caffe'"):
        LegacyRules(anchors="caffe")
    with pytest.raises(ValueError, match="pixel_offset must be 0 or 1, got 2"):
        LegacyRules(pixel_offset=2)
    with pytest.raises(ValueError, match="paste_masks must be one of 'whole-pixels', 'padded-whole-pixels' or None"):
        LegacyRules(paste_masks="nearest")


def test_models_with_legacy_rules_train():
    model = use_legacy_rules(tiny_models.rcnn(), MMDET_1_0).train()
    losses = model(tiny_models.inputs())
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())


def test_legacy_layers_of_mmdetection_have_its_names_and_arguments():
    anchors = mmdet.LegacyAnchorGenerator(strides=[4, 8], ratios=[0.5, 1.0, 2.0], scales=[8])
    assert anchors.cell_anchors[0][1].tolist() == [-14, -14, 17, 17]
    octaves = mmdet.LegacyAnchorGenerator([8], [1.0], octave_base_scale=4, scales_per_octave=3)
    assert octaves.num_anchors == [3]
    coder = mmdet.LegacyDeltaXYWHBBoxCoder(target_stds=(0.1, 0.1, 0.2, 0.2))
    assert coder.weights == pytest.approx((10, 10, 5, 5))
    features, region = torch.randn(1, 2, 16, 16), torch.tensor([[0, 8.0, 8.0, 39.0, 23.0]])
    pooled = mmdet.RoIAlign(7, 0.25, 2, aligned=False)(features, region)
    assert torch.equal(pooled, ROIAlign((7, 7), 0.25, 2, aligned=False)(features, region))
    with pytest.raises(ValueError, match="expected either scales, or octave_base_scale and scales_per_octave"):
        mmdet.LegacyAnchorGenerator([8], [1.0])
    with pytest.raises(ValueError, match="target_means must be zeros"):
        mmdet.LegacyDeltaXYWHBBoxCoder(target_means=(0.5, 0, 0, 0))
