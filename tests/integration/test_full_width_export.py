"""Export of zoo models at full width: Mask R-CNN with 1,000 proposals, RetinaNet."""

import pytest
import torch
from torch import nn

from detectory import zoo
from detectory.export import Tolerance, export, verify

NAME = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x"


@pytest.fixture(scope="module")
def mask_rcnn() -> nn.Module:
    """The zoo's model; features are rescaled to unit variance, so that random weights yield distinct detections."""
    torch.manual_seed(0)
    model = zoo.get(NAME)
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([image_of(256, 320)]).tensor)
        for level in range(2, 6):
            getattr(model.backbone, f"fpn_output{level}").weight /= features[f"p{level}"].std()
        nn.init.normal_(model.proposal_generator.rpn_head.objectness_logits.weight, std=0.5)
        nn.init.zeros_(model.proposal_generator.rpn_head.anchor_deltas.weight)
        nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=0.1)
    return model


def image_of(height: int, width: int) -> dict[str, torch.Tensor]:
    noise = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0)) * 255
    return {"image": nn.functional.interpolate(noise, size=(height, width), mode="bilinear")[0]}


@pytest.fixture(scope="module")
def retinanet() -> nn.Module:
    """The zoo's model; features and scores are rescaled, so that random weights yield distinct detections."""
    torch.manual_seed(0)
    model = zoo.get("COCO-Detection/retinanet_R_50_FPN_1x")
    with torch.no_grad():
        maps = model.backbone(model.preprocess_image([image_of(256, 320)]).tensor)
        for level in range(3, 6):
            getattr(model.backbone, f"fpn_output{level}").weight /= maps[f"p{level}"].std()
        model.backbone.top_block.p6.weight /= maps["p6"].std()
        nn.init.normal_(model.head.cls_score.weight, std=2.0)
        nn.init.normal_(model.head.bbox_pred.weight, std=0.05)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "pt2", "ts"])
def test_rcnn_with_thousand_proposals_exports(suffix, mask_rcnn, tmp_path):
    assert mask_rcnn.proposal_generator.post_nms_topk[False] == 1000
    path = tmp_path / f"model.{suffix}"
    agreement = export(mask_rcnn, path, [image_of(256, 320), image_of(320, 256)], resize=(256, 400))
    assert agreement.detections > 10
    assert verify(mask_rcnn, path, [image_of(288, 288)]).problems(Tolerance()) == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "ts"])
def test_full_width_retinanet_exports(suffix, retinanet, tmp_path):
    path = tmp_path / f"model.{suffix}"
    agreement = export(retinanet, path, [image_of(256, 320), image_of(320, 256)], resize=(256, 400))
    assert agreement.detections > 10
    assert (
        verify(retinanet, path, [image_of(288, 288), {"image": torch.zeros(3, 256, 256)}]).problems(Tolerance()) == []
    )
