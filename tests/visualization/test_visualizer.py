"""Tests of the visualizer: inputs are drawn at their position, and other pixels do not change."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detectory.structures import BitMasks, Boxes, BoxMode, Instances, Keypoints, RotatedBoxes
from detectory.visualization import ColorMode, VideoVisualizer, Visualizer

GRAY = np.full((80, 120, 3), 120, np.uint8)
BOXES = np.array([[10.0, 10, 50, 40], [60, 20, 110, 70]])
PERSON = SimpleNamespace(
    thing_classes=["person", "dog"],
    keypoint_names=["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"],
    keypoint_connection_rules=[("left_shoulder", "left_hip", (0, 255, 0))],
)


def bit_masks():
    masks = np.zeros((2, 80, 120), bool)
    masks[0, 12:38, 12:48], masks[1, 22:68, 62:108] = True, True
    return masks


def predictions(**fields):
    instances = Instances((80, 120))
    instances.pred_boxes = Boxes(torch.from_numpy(BOXES).float())
    instances.scores, instances.pred_classes = torch.tensor([0.9, 0.5]), torch.tensor([0, 1])
    for name, value in fields.items():
        instances.set(name, value)
    return instances


def changed(output, image=GRAY):
    return (output.get_image().astype(int) != image).any(axis=2)


MASKS = {
    "array": bit_masks(),
    "tensor": torch.from_numpy(bit_masks()),
    "bit masks": BitMasks(torch.from_numpy(bit_masks())),
    "list of masks": list(bit_masks().astype(np.uint8)),
    "polygons": [[np.array([12.0, 12, 48, 12, 48, 38, 12, 38])], [np.array([62.0, 22, 108, 22, 108, 68, 62, 68])]],
    "RLE": [{"size": [80, 120], "counts": [972, 26, 54, 26, 8522]}, {"size": [80, 120], "counts": [9600]}],
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_every_type_are_filled(name):
    touched = changed(Visualizer(GRAY).overlay_instances(masks=MASKS[name]))
    assert touched[13:37, 12:14].all()
    assert not touched[:10].any()


def test_draw_binary_mask_blends_the_colour_by_alpha():
    output = Visualizer(GRAY).draw_binary_mask(bit_masks()[0], color=(1.0, 0, 0), alpha=0.5)
    assert output.get_image()[25, 30].tolist() == [188, 60, 60]


def test_a_mask_of_one_pixel_is_visible():
    mask = np.zeros((80, 120), np.uint8)
    mask[40, 60] = 1
    assert changed(Visualizer(GRAY).draw_binary_mask(mask, color="r"))[40, 60]


def test_regions_below_the_area_threshold_are_not_drawn():
    mask = bit_masks()[0].copy()
    mask[60:63, 100:103] = True
    touched = changed(Visualizer(GRAY).draw_binary_mask(mask, color="r", text="dog", area_threshold=10))
    assert touched[25, 15]
    assert not touched[60:63, 100:103].any()


def test_boxes_change_only_the_pixels_of_their_border():
    touched = changed(Visualizer(GRAY).overlay_instances(boxes=BOXES))
    assert touched[10, 20:40].all()
    assert not touched[15:35, 15:45].any()


@pytest.mark.parametrize(
    "boxes",
    [BOXES, Boxes(torch.from_numpy(BOXES).float()), BOXES.tolist(), torch.from_numpy(BOXES)],
    ids=["array", "Boxes", "list", "tensor"],
)
def test_boxes_of_every_type_draw_the_same_image(boxes):
    drawn = Visualizer(GRAY).overlay_instances(boxes=boxes, labels=["a", "b"]).get_image()
    assert (drawn == Visualizer(GRAY).overlay_instances(boxes=BOXES, labels=["a", "b"]).get_image()).all()


@pytest.mark.parametrize(
    "box_type", [np.asarray, lambda b: RotatedBoxes(torch.tensor(b))], ids=["array", "RotatedBoxes"]
)
def test_rotated_boxes_are_drawn_along_their_sides(box_type):
    touched = changed(Visualizer(GRAY).overlay_instances(boxes=box_type([[60.0, 40, 40, 20, 90]]), labels=["ship"]))
    assert touched[58:62, 55:65].any()
    assert touched[25:55, 49:52].any()
    assert not touched[35:45, 56:64].any()


def test_angles_turn_counter_clockwise():
    output = Visualizer(GRAY).draw_rotated_box_with_label((60, 40, 60, 2, 45), alpha=1, edge_color="r")
    assert changed(output)[18:28, 72:84].any()
    assert not changed(output)[52:62, 72:84].any()


@pytest.mark.parametrize("mode", ColorMode)
def test_predictions_with_all_fields_are_drawn_in_every_mode(mode):
    points = torch.tensor([[[20.0, 20, 1], [15, 30, 1], [30, 30, 1], [18, 38, 1], [28, 38, 0]]] * 2)
    instances = predictions(pred_masks=torch.from_numpy(bit_masks()), pred_keypoints=points)
    output = Visualizer(GRAY, PERSON, instance_mode=mode).draw_instance_predictions(instances)
    assert changed(output)[bit_masks().any(axis=0)].mean() > 0.9


def test_black_and_white_mode_grays_pixels_outside_the_masks():
    image = np.zeros((80, 120, 3), np.uint8) + np.array([200, 30, 30], np.uint8)
    drawn = Visualizer(image, instance_mode=ColorMode.IMAGE_BW)
    image = drawn.draw_instance_predictions(predictions(pred_masks=torch.from_numpy(bit_masks()))).get_image()
    assert len(set(image[75, 5].tolist())) == 1
    assert len(set(image[30, 30].tolist())) > 1


def test_rle_predictions_draw_the_same_image_as_bitmaps():
    rles = [{"size": [80, 120], "counts": [972, 26, 54, 26, 8522]}] * 2
    masks = np.zeros((2, 80, 120), bool)
    masks[:, 12:38, 12:14] = True
    by_rle = Visualizer(GRAY).draw_instance_predictions(predictions(pred_masks_rle=rles)).get_image()
    by_mask = Visualizer(GRAY).draw_instance_predictions(predictions(pred_masks=torch.from_numpy(masks))).get_image()
    assert (by_rle == by_mask).all()


def test_empty_predictions_do_not_change_the_image():
    empty = predictions(pred_masks=torch.from_numpy(bit_masks()))[torch.zeros(2, dtype=torch.bool)]
    assert not changed(Visualizer(GRAY).draw_instance_predictions(empty)).any()


def test_drawing_is_deterministic():
    first, second = (Visualizer(GRAY, PERSON).draw_instance_predictions(predictions()) for _ in range(2))
    assert (first.get_image() == second.get_image()).all()


def test_keypoints_below_the_threshold_are_not_drawn():
    points = Keypoints(np.array([[[20.0, 20, 2], [100, 70, 0]]]))
    touched = changed(Visualizer(GRAY).overlay_instances(keypoints=points))
    assert touched[20, 20]
    assert not touched[60:, 90:].any()


def test_rules_and_body_midlines_connect_visible_keypoints():
    points = np.array([[60.0, 5, 1], [30, 30, 1], [90, 30, 1], [30, 70, 1], [90, 70, 1]])
    touched = changed(Visualizer(GRAY, PERSON).draw_and_connect_keypoints(points))
    assert touched[45:55, 30].all()  # left shoulder to left hip
    assert touched[45:55, 60].all()  # middle of shoulders to middle of hips
    assert not touched[45:55, 88:92].any()


def test_semantic_labels_outside_the_known_classes_are_not_drawn():
    labels = np.full((80, 120), 255)
    labels[:, :40], labels[:, 40:80] = 0, 1
    known = SimpleNamespace(stuff_classes=["sky", "road"], stuff_colors=[(255, 0, 0), (0, 0, 255)])
    image = Visualizer(GRAY, known).draw_sem_seg(torch.from_numpy(labels), alpha=1.0).get_image()
    assert image[5, 5].tolist() == [255, 0, 0]
    assert (image[:, 82:] == 120).all()


def panoptic():
    ids = np.zeros((80, 120), np.int64)
    ids[:, :60], ids[20:60, 70:110], ids[70:, 100:] = 1, 2, 3
    info = [
        {"id": 1, "category_id": 0, "isthing": False},
        {"id": 2, "category_id": 1, "isthing": True, "score": 0.9},
        {"id": 3, "category_id": 1, "isthing": False},
    ]
    return ids, info


@pytest.mark.parametrize("method", ["draw_panoptic_seg", "draw_panoptic_seg_predictions"])
def test_panoptic_segments_are_drawn_except_small_stuff(method):
    ids, info = panoptic()
    touched = changed(getattr(Visualizer(GRAY, PERSON), method)(torch.from_numpy(ids), info, area_threshold=500))
    assert touched[:, :58].mean() > 0.95
    assert touched[22:58, 72:108].all()
    assert not touched[75:, 105:].any()


def test_panoptic_ids_are_split_by_the_label_divisor():
    ids = np.where(np.arange(120) < 60, 1000, 2007)[None].repeat(80, axis=0)
    meta = SimpleNamespace(label_divisor=1000, thing_dataset_id_to_contiguous_id={7: 2}, stuff_classes=["a", "b"])
    assert changed(Visualizer(GRAY, meta).draw_panoptic_seg(ids, None)).mean() > 0.95


def test_a_dataset_dict_draws_annotations_with_their_box_modes():
    record = {"annotations": [{"bbox": [10, 10, 40, 30], "bbox_mode": 1, "category_id": 0, "iscrowd": 1}]}
    touched = changed(Visualizer(GRAY, PERSON).draw_dataset_dict(record))
    assert touched[20:35, 50].all()


def test_a_dataset_dict_reads_segmentation_files(tmp_path):
    from PIL import Image

    labels, (ids, info) = np.zeros((80, 120), np.uint8), panoptic()
    Image.fromarray(labels).save(tmp_path / "sem.png")
    Image.fromarray(np.stack([ids, ids * 0, ids * 0], axis=2).astype(np.uint8)).save(tmp_path / "pan.png")
    by_name = {"sem_seg_file_name": tmp_path / "sem.png", "pan_seg_file_name": tmp_path / "pan.png"}
    drawn = Visualizer(GRAY, PERSON).draw_dataset_dict({**by_name, "segments_info": info}).get_image()
    arrays = {"sem_seg": labels, "pan_seg": ids, "segments_info": info}
    assert (drawn == Visualizer(GRAY, PERSON).draw_dataset_dict(arrays).get_image()).all()


def test_scale_enlarges_the_output():
    drawn = Visualizer(GRAY, scale=2.0).overlay_instances(boxes=BOXES, masks=bit_masks()).get_image()
    assert drawn.shape == (160, 240, 3)
    assert (drawn[50, 60] != 120).any()


@pytest.mark.parametrize(
    "image",
    [GRAY[:, :, 0], GRAY[:, :, :1], np.dstack([GRAY, GRAY[:, :, 0]]), GRAY.astype(np.float32), torch.from_numpy(GRAY)],
    ids=["gray", "one channel", "RGBA", "floats", "tensor"],
)
def test_images_of_every_type_are_accepted(image):
    assert changed(Visualizer(image).overlay_instances(boxes=BOXES)).any()


def test_a_thousand_instances_and_boxes_outside_the_image_are_drawn():
    boxes = np.random.default_rng(0).uniform(-100, 300, (1000, 4))
    boxes[0], boxes[1] = (5, 5, 6, 6), (np.nan, 0, np.inf, 3)
    touched = changed(Visualizer(GRAY).overlay_instances(boxes=boxes, labels=["label"] * 1000))
    assert touched[5, 5]


def test_rotated_boxes_that_are_not_finite_are_not_drawn():
    boxes = np.array([[np.nan, 20, 9, 9, 0], [60, 40, np.inf, 9, 0], [60, 40, 20, 10, np.nan]])
    drawn = Visualizer(GRAY).overlay_instances(boxes=boxes, labels=["a", "b", "c"])
    assert not changed(drawn).any()


@pytest.mark.parametrize("side", [1e5, 1e9, 1e30], ids=["1e5", "1e9", "1e30"])
def test_boxes_far_larger_than_the_image_are_drawn_in_bounded_time(side):
    visualizer = Visualizer(GRAY)
    visualizer.draw_rotated_box_with_label((60, 40 + side / 2, side, side, 0), alpha=1, edge_color="r")
    visualizer.draw_box((10, 10, side, side), edge_color="b", line_style="--")
    assert changed(visualizer.get_output())[40, :10].any()


@pytest.mark.parametrize("mode", ColorMode)
def test_predictions_without_fields_do_not_change_the_image(mode):
    nothing = Instances((80, 120))
    assert not changed(Visualizer(GRAY, PERSON, instance_mode=mode).draw_instance_predictions(nothing)).any()
    assert not changed(VideoVisualizer(PERSON, mode).draw_instance_predictions(GRAY, nothing)).any()


def test_one_pixel_boxes_are_visible_on_an_image_of_24_megapixels():
    image = np.zeros((4000, 6000, 3), np.uint8)
    image = Visualizer(image).overlay_instances(boxes=[[3000, 2000, 3001, 2001], [5999, 3999, 6000, 4000]])
    drawn = image.get_image()
    assert drawn[1980:2020, 2980:3020].any()
    assert drawn[-20:, -20:].any()
    assert not drawn[:1000].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda v: v.overlay_instances(boxes=BOXES, labels=["a"]),
            "one entry per instance, got {'boxes': 2, 'labels': 1",
        ),
        (lambda v: v.draw_binary_mask(np.zeros((3, 3))), r"size of the image \(80, 120\), got \(3, 3\)"),
        (lambda v: v.overlay_instances(masks=[3]), "polygons, an array or an RLE, got int"),
        (lambda v: v.draw_panoptic_seg(np.zeros((80, 120)), None), "metadata must have label_divisor"),
        (lambda v: v.draw_line([0, 1], [0, 1], "r", linestyle="~"), "style must be one of"),
        (lambda v: v.draw_text("a", (0, 0), horizontal_alignment="middle"), "horizontal_alignment must be one of"),
        (lambda v: v.draw_circle((0, 0), "chartreusey"), "color must be a CSS name"),
        (lambda v: v.draw_circle((0, 0), (255, 0, 0)), r"numbers in \[0, 1\], got \[255.0"),
    ],
    ids=["counts", "mask size", "mask type", "divisor", "line style", "alignment", "colour name", "colour range"],
)
def test_rejects_wrong_arguments(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(Visualizer(GRAY))


def test_rejects_an_image_of_two_channels():
    with pytest.raises(ValueError, match=r"got \(4, 4, 2\)"):
        Visualizer(np.zeros((4, 4, 2)))


def test_rotated_and_upright_boxes_of_one_image_are_drawn():
    upright = {"bbox": [2, 2, 10, 8], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0}
    rotated = {"bbox": [30, 20, 12, 6, 30], "bbox_mode": BoxMode.XYWHA_ABS, "category_id": 0}
    for annotations in ([upright, rotated], [rotated, upright]):
        touched = changed(Visualizer(GRAY, PERSON).draw_dataset_dict({"annotations": annotations}))
        assert touched[2, 2:10].any()
        assert touched[17:24, 24:37].any()
