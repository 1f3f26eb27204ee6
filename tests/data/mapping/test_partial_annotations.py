"""Images of which only some objects have masks or keypoints."""

import pytest
import torch

from detectory.data.mapping import annotations_to_instances
from detectory.structures import BoxMode

BOX = {"bbox": [0, 0, 4, 4], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}


def test_rejects_masks_of_some_objects_only():
    objects = [{**BOX, "segmentation": [[0, 0, 4, 0, 4, 4]]}, BOX]
    for annotations, first in ((objects, 1), (objects[::-1], 0)):
        with pytest.raises(ValueError, match=f"1 of 2 objects have no 'segmentation', the first is object {first}"):
            annotations_to_instances(annotations, (8, 8))


def test_objects_without_keypoints_have_invisible_ones():
    objects = [BOX, {**BOX, "keypoints": [1, 2, 2, 3, 4, 1]}]
    keypoints = annotations_to_instances(objects, (8, 8)).gt_keypoints.tensor
    assert torch.equal(keypoints[0], torch.zeros(2, 3))
    assert keypoints[1].tolist() == [[1, 2, 2], [3, 4, 1]]


def test_rejects_different_numbers_of_keypoints():
    objects = [{**BOX, "keypoints": [1, 2, 2]}, {**BOX, "keypoints": [1, 2, 2, 3, 4, 1]}]
    with pytest.raises(ValueError, match=r"the same number of keypoints, got \[1, 2\]"):
        annotations_to_instances(objects, (8, 8))
