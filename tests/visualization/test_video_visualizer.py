"""Tests of the video visualizer: consistent colours per object."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detectory.structures import Boxes, Instances
from detectory.visualization import ColorMode, VideoVisualizer

FRAME = np.full((80, 120, 3), 120, np.uint8)
NAMES = SimpleNamespace(thing_classes=["cat", "dog"], stuff_classes=["sky"], stuff_colors=[(90, 90, 90)])


def detections(boxes, classes=None, **fields):
    instances = Instances((80, 120))
    instances.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.pred_classes = torch.tensor(classes or [0] * len(boxes))
    instances.scores = torch.full((len(boxes),), 0.9)
    for name, value in fields.items():
        instances.set(name, value)
    return instances


def border_color(output, box):
    return tuple(output.get_image()[int(box[3]) - 1, int((box[0] + box[2]) / 2)].tolist())


LEFT, RIGHT = [10, 30, 40, 60], [70, 30, 100, 60]


def test_objects_keep_their_colours_if_they_move_and_change_order():
    video = VideoVisualizer(NAMES)
    first = video.draw_instance_predictions(FRAME, detections([LEFT, RIGHT]))
    moved = [[v + 4 for v in RIGHT], [v + 4 for v in LEFT]]
    second = video.draw_instance_predictions(FRAME, detections(moved))
    assert border_color(first, LEFT) == border_color(second, moved[1])
    assert border_color(first, RIGHT) == border_color(second, moved[0])


@pytest.mark.parametrize(("frames", "kept"), [(5, True), (12, False)])
def test_objects_are_remembered_for_a_few_frames(frames, kept):
    video = VideoVisualizer(NAMES)
    first = video.draw_instance_predictions(FRAME, detections([LEFT]))
    for _ in range(frames):
        video.draw_instance_predictions(FRAME, detections([]))
    again = video.draw_instance_predictions(FRAME, detections([LEFT]))
    assert (border_color(first, LEFT) == border_color(again, LEFT)) is kept


def test_an_object_of_another_class_at_the_same_position_has_another_colour():
    video = VideoVisualizer(NAMES)
    first = video.draw_instance_predictions(FRAME, detections([LEFT], [0]))
    second = video.draw_instance_predictions(FRAME, detections([LEFT], [1]))
    assert border_color(first, LEFT) != border_color(second, LEFT)


def test_colours_follow_the_ids_of_a_tracker():
    video = VideoVisualizer(NAMES)
    first = video.draw_instance_predictions(FRAME, detections([LEFT], ID=[7]))
    second = video.draw_instance_predictions(FRAME, detections([RIGHT, LEFT], ID=[7, 8]))
    assert border_color(first, LEFT) == border_color(second, RIGHT)
    assert border_color(first, LEFT) != border_color(second, LEFT)


@pytest.mark.parametrize("mode", ColorMode)
def test_masks_and_empty_frames_are_drawn_in_every_mode(mode):
    masks = torch.zeros(1, 80, 120, dtype=torch.bool)
    masks[0, 30:60, 10:40] = True
    video = VideoVisualizer(NAMES, mode)
    output = video.draw_instance_predictions(FRAME, detections([LEFT], pred_masks=masks))
    assert (output.get_image()[45, 25] != 120).any()
    assert (video.draw_instance_predictions(FRAME, detections([])).get_image() == 120).all()


@pytest.mark.parametrize("mode", [ColorMode.IMAGE, ColorMode.IMAGE_BW])
def test_things_of_panoptic_segmentations_keep_their_colours(mode):
    video = VideoVisualizer(NAMES, mode)
    images = []
    for shift, segment_id in ((0, 5), (3, 9)):
        ids = np.ones((80, 120), np.int64)
        ids[30:60, 10 + shift : 40 + shift] = segment_id
        info = [{"id": 1, "category_id": 0, "isthing": False}, {"id": segment_id, "category_id": 1, "isthing": True}]
        images.append(video.draw_panoptic_seg_predictions(FRAME, torch.from_numpy(ids), info).get_image())
    assert images[0][57, 25].tolist() == images[1][57, 28].tolist()
    assert images[0][57, 25].tolist() != images[0][10, 100].tolist()


def test_semantic_segmentations_have_the_colours_of_their_classes():
    labels = torch.zeros(80, 120, dtype=torch.long)
    first, second = (VideoVisualizer(NAMES).draw_sem_seg(FRAME, labels).get_image() for _ in range(2))
    assert (first == second).all()
    assert (first != 120).any()
