"""Model outputs that match COCO results, proposals near objects, and a loop that runs an evaluator."""

import numpy as np
import torch
from pycocotools import mask as mask_api

from detectory.structures import Boxes, BoxMode, Instances

CONTIGUOUS = {1: 0, 3: 1, 5: 2}
CLASSES = {"thing_classes": ["class 0", "class 1", "class 2"], "thing_dataset_id_to_contiguous_id": CONTIGUOUS}


def model_outputs(truth, results, iou_type):
    """What a model would have returned for each image, for these results."""
    outputs = []
    for image in truth["images"]:
        mine = [r for r in results if r["image_id"] == image["id"]]
        found = Instances((image["height"], image["width"]))
        found.scores = torch.tensor([r["score"] for r in mine], dtype=torch.float64)
        found.pred_classes = torch.tensor([r["category_id"] // 2 for r in mine], dtype=torch.int64)
        boxes = torch.tensor([r.get("bbox", [0, 0, 1, 1]) for r in mine], dtype=torch.float32).reshape(-1, 4)
        found.pred_boxes = Boxes(BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS))
        if iou_type == "segm":
            masks = [torch.from_numpy(mask_api.decode(r["segmentation"])).bool() for r in mine]
            found.pred_masks = torch.stack(masks) if mine else torch.zeros(0, *found.image_size, dtype=torch.bool)
        if iou_type == "keypoints":
            points = torch.tensor([r["keypoints"] for r in mine], dtype=torch.float64).reshape(-1, 17, 3)
            points[:, :, :2] += 0.5
            found.pred_keypoints = points
        outputs.append({"instances": found})
    return [{"image_id": image["id"]} for image in truth["images"]], outputs


def evaluated_with(evaluator, inputs, outputs):
    evaluator.reset()
    for record, output in zip(inputs, outputs, strict=True):
        evaluator.process([record], [output])
    return evaluator.evaluate()


def proposals_near(truth, seed):
    """Up to 40 proposals for each image, many near its objects, the best by logit not first."""
    rng = np.random.default_rng(seed)
    outputs = []
    for image in truth["images"]:
        boxes = [a["bbox"] for a in truth["annotations"] if a["image_id"] == image["id"]]
        boxes = [np.array(box) + rng.normal(0, 2, 4) for box in boxes for _ in range(2)]
        boxes += [rng.uniform(1, 60, 4) for _ in range(rng.integers(0, 20))]
        corners = np.array([[x, y, x + max(w, 1), y + max(h, 1)] for x, y, w, h in boxes], np.float32).reshape(-1, 4)
        found = Instances((image["height"], image["width"]))
        found.proposal_boxes = Boxes(torch.from_numpy(corners))
        found.objectness_logits = torch.from_numpy(rng.normal(0, 1, len(corners)))
        outputs.append({"proposals": found})
    return [{"image_id": image["id"]} for image in truth["images"]], outputs
