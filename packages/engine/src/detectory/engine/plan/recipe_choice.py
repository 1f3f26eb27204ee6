"""The recipe of a dataset and a machine: by the annotations of the objects and by the device."""

from detectory.engine.plan.facts import DatasetFacts

#: Device -> task -> recipe.
RECIPES = {
    "cpu": {
        "masks": "COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small",
        "boxes": "COCO-Detection/faster_rcnn_R_18_FPN_small",
        "keypoints": "COCO-Keypoints/keypoint_rcnn_R_18_FPN_small",
    },
    "cuda": {
        "masks": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x",
        "boxes": "COCO-Detection/faster_rcnn_R_50_FPN_3x",
        "keypoints": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x",
    },
}


def choose_recipe(facts: DatasetFacts, device: str) -> tuple[str, str]:
    """Return the name of a recipe and the reason.

    Args:
        facts: The dataset.
        device: `"cpu"` or `"cuda"`.
    """
    if facts.has_keypoints:
        task, reason = "keypoints", "the objects have keypoints"
    elif facts.has_masks:
        task, reason = "masks", "all objects have masks"
    else:
        without = facts.masks.get("none", 0)
        partly = f"{without} of {facts.objects} objects have boxes only"
        task, reason = "boxes", "the objects have boxes only" if without == facts.objects else partly
    if facts.has_rotated_boxes:
        reason += ", rotated ones count as the upright boxes around them"
    machine = "a GPU" if device == "cuda" else "a CPU"
    return RECIPES["cuda" if device == "cuda" else "cpu"][task], f"{reason}; trained on {machine}"
