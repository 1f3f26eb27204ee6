"""Model outputs that match COCO results, proposals near objects, and a loop that runs an evaluator."""

import numpy as np
import torch
from pycocotools import mask as mask_api

from detectory.structures import Boxes, BoxMode, Instances

CONTIGUOUS = {1: 0, 3: 1, 5: 2}
CLASSES = {"thing_classes": ["class 0", "class 1", "class 2"], "thing_dataset_id_to_contiguous_id": CONTIGUOUS}


def model_outputs(ground_truth, results, iou_type):
    """Inputs and outputs of a model that returned these results."""
    outputs = []
    for image in ground_truth["images"]:
        of_image = [r for r in results if r["image_id"] == image["id"]]
        instances = Instances((image["height"], image["width"]))
        instances.scores = torch.tensor([r["score"] for r in of_image], dtype=torch.float64)
        instances.pred_classes = torch.tensor([r["category_id"] // 2 for r in of_image], dtype=torch.int64)
        boxes = torch.tensor([r.get("bbox", [0, 0, 1, 1]) for r in of_image], dtype=torch.float32).reshape(-1, 4)
        instances.pred_boxes = Boxes(BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS))
        if iou_type == "segm":
            masks = [torch.from_numpy(mask_api.decode(r["segmentation"])).bool() for r in of_image]
            instances.pred_masks = (
                torch.stack(masks) if of_image else torch.zeros(0, *instances.image_size, dtype=torch.bool)
            )
        if iou_type == "keypoints":
            points = torch.tensor([r["keypoints"] for r in of_image], dtype=torch.float64).reshape(-1, 17, 3)
            points[:, :, :2] += 0.5
            instances.pred_keypoints = points
        outputs.append({"instances": instances})
    return [{"image_id": image["id"]} for image in ground_truth["images"]], outputs


def evaluated_with(evaluator, inputs, outputs):
    evaluator.reset()
    for record, output in zip(inputs, outputs, strict=True):
        evaluator.process([record], [output])
    return evaluator.evaluate()


def proposals_near(ground_truth, seed):
    """Up to 40 unsorted proposals for each image, many near its objects."""
    rng = np.random.default_rng(seed)
    outputs = []
    for image in ground_truth["images"]:
        boxes = [a["bbox"] for a in ground_truth["annotations"] if a["image_id"] == image["id"]]
        boxes = [np.array(box) + rng.normal(0, 2, 4) for box in boxes for _ in range(2)]
        boxes += [rng.uniform(1, 60, 4) for _ in range(rng.integers(0, 20))]
        corners = np.array([[x, y, x + max(w, 1), y + max(h, 1)] for x, y, w, h in boxes], np.float32).reshape(-1, 4)
        instances = Instances((image["height"], image["width"]))
        instances.proposal_boxes = Boxes(torch.from_numpy(corners))
        instances.objectness_logits = torch.from_numpy(rng.normal(0, 1, len(corners)))
        outputs.append({"proposals": instances})
    return [{"image_id": image["id"]} for image in ground_truth["images"]], outputs
