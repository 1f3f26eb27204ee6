"""Outputs of models with the rules of Detectron, compared with a slow reference."""

import numpy as np
import torch
from tests.compat import detectron_reference as reference
from tests.modeling import tiny_models

from detectory.compat.legacy import DETECTRON, use_legacy_rules

HEIGHT, WIDTH, SAMPLES = 96, 112, 2
STRIDES, SIZES = (4, 8, 16), (16, 32, 64)


def tiny_model():
    torch.manual_seed(3)
    model = tiny_models.rcnn()
    with torch.no_grad():
        for module in (model.proposal_generator.rpn_head.objectness_logits, model.roi_heads.box_predictor.cls_score):
            module.weight *= 60
        for module in (model.proposal_generator.rpn_head.anchor_deltas, model.roi_heads.box_predictor.bbox_pred):
            module.weight *= 30
        model.roi_heads.mask_head.predictor.weight *= 400
    model.roi_heads.box_predictor.test_score_thresh = 0.3
    for pooler in (model.roi_heads.box_pooler, model.roi_heads.mask_pooler):
        pooler.sampling_ratio = SAMPLES
    return use_legacy_rules(model.eval(), DETECTRON)


def flat(x, n):
    return x[0].reshape(-1, n, *x.shape[2:]).permute(2, 3, 0, 1).reshape(-1, n).numpy()


def pooled(features, boxes, bins):
    rows = []
    for box in boxes:
        level = reference.level_of(box, 2, 4)
        rows.append(reference.pool(features[level], box, 1 / STRIDES[level], bins, SAMPLES))
    return torch.from_numpy(np.stack(rows)).float()


@torch.no_grad()
def reference_outputs(model, image):
    maps = list(model.backbone(model.preprocess_image([{"image": image}]).tensor).values())
    logits, deltas = model.proposal_generator.rpn_head(maps)
    features = [x[0].double().numpy() for x in maps]
    anchors = [
        reference.anchors(stride, size, [1.0], *x.shape[1:])
        for stride, size, x in zip(STRIDES, SIZES, features, strict=True)
    ]
    size = (HEIGHT, WIDTH)
    regions = reference.proposals(
        [flat(x, 1)[:, 0] for x in logits], [flat(x, 4) for x in deltas], anchors, size, pre_nms=50, post_nms=20
    )
    heads = model.roi_heads
    scores, box_deltas = heads.box_predictor(heads.box_head(pooled(features, regions, 4)))
    found = reference.detections(scores.softmax(dim=1).numpy(), box_deltas.numpy(), regions, size, 0.3, 0.5, 100)
    masks = heads.mask_head.layers(pooled(features, found[1], 7)).sigmoid().numpy()
    pasted = [
        reference.paste(mask[label], box, HEIGHT, WIDTH)
        for mask, box, label in zip(masks, found[1], found[2], strict=True)
    ]
    return *found, np.stack(pasted)


def test_detections_and_masks_equal_those_of_the_reference():
    model = tiny_model()
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    scores, boxes, classes, masks = reference_outputs(model, image)
    with torch.no_grad():
        ours = model([{"image": image}])[0]["instances"]
    assert len(ours) == len(scores) > 5
    assert np.allclose(ours.scores.numpy(), scores, atol=1e-4)
    assert np.array_equal(ours.pred_classes.numpy(), classes)
    assert np.allclose(ours.pred_boxes.tensor.numpy(), boxes, atol=0.01)
    assert masks.mean() > 0.01
    assert (ours.pred_masks.numpy() == masks).mean() > 0.999
