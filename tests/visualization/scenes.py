"""Scenes of the reference images: each scene draws one type of input on the same small image.

`python -m tests.visualization.scenes` writes the reference images to tests/golden/visualization. Inspect the images
before you commit them.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from detectory.structures import Boxes, BoxMode, Instances, RotatedBoxes
from detectory.visualization import ColorMode, VideoVisualizer, Visualizer

HEIGHT, WIDTH = 180, 240
FOLDER = Path(__file__).resolve().parent.parent / "golden" / "visualization"
METADATA = SimpleNamespace(
    thing_classes=["person", "bicycle", "traffic light"],
    thing_colors=[(220, 20, 60), (0, 130, 180), (250, 170, 30)],
    stuff_classes=["road", "sky", "grass"],
    stuff_colors=[(128, 64, 128), (70, 130, 180), (107, 142, 35)],
    keypoint_names=["head", "left_hand", "right_hand", "left_foot", "right_foot"],
    keypoint_connection_rules=[
        ("head", "left_hand", (102, 204, 255)),
        ("head", "right_hand", (51, 153, 255)),
        ("head", "left_foot", (102, 255, 102)),
        ("head", "right_foot", (255, 255, 102)),
    ],
)


def example_image() -> np.ndarray:
    """Return an image of a sky with a gradient, a meadow, a dark disc and a bright rectangle."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([90 + y // 3, 120 + y // 4, 200 - y // 4], axis=2)
    image[110:] = np.stack([70 + x[110:] // 8, 130 + x[110:] // 10, 60 + 0 * x[110:]], axis=2)
    image[disc()] = (60, 40, 40)
    image[60:140, 30:80] = (220, 210, 190)
    return image.astype(np.uint8)


def disc(x: float = 170, y: float = 80, radius: float = 38) -> np.ndarray:
    """Return the mask (H, W) of a disc."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def rectangle() -> np.ndarray:
    """Return the mask (H, W) of a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[60:140, 30:80] = True
    return mask


def predictions() -> Instances:
    """Return predictions of a rectangle, a disc, and an object of one pixel in the corner."""
    corner = np.zeros((HEIGHT, WIDTH), dtype=bool)
    corner[-1, -1] = True
    instances = Instances((HEIGHT, WIDTH))
    instances.pred_boxes = Boxes(torch.tensor([[30.0, 60, 80, 140], [132, 42, 208, 118], [239, 179, 240, 180]]))
    instances.scores = torch.tensor([0.98, 0.81, 0.55])
    instances.pred_classes = torch.tensor([0, 1, 2])
    instances.pred_masks = torch.from_numpy(np.stack([rectangle(), disc(), corner]))
    return instances


def panoptic_ids() -> np.ndarray:
    """Return panoptic segment ids (H, W) of sky, grass and two things."""
    segment_ids = np.full((HEIGHT, WIDTH), 1)
    segment_ids[110:] = 2
    segment_ids[rectangle()], segment_ids[disc()] = 3, 4
    return segment_ids


SEGMENTS = [
    {"id": 1, "category_id": 1, "isthing": False},
    {"id": 2, "category_id": 2, "isthing": False},
    {"id": 3, "category_id": 0, "isthing": True, "score": 0.9},
    {"id": 4, "category_id": 1, "isthing": True, "score": 0.8},
]


def instances_in_mode(mode: ColorMode) -> Visualizer:
    """Draw predictions with boxes, masks, classes and scores."""
    visualizer = Visualizer(example_image(), METADATA, instance_mode=mode)
    visualizer.draw_instance_predictions(predictions())
    return visualizer


def rotated() -> Visualizer:
    """Draw rotated boxes with labels."""
    visualizer = Visualizer(example_image(), METADATA)
    instances = Instances(
        (HEIGHT, WIDTH), pred_boxes=RotatedBoxes(torch.tensor([[60.0, 90, 80, 40, 30], [170, 80, 70, 50, -60]]))
    )
    instances.pred_classes, instances.scores = torch.tensor([0, 2]), torch.tensor([0.9, 0.7])
    visualizer.draw_instance_predictions(instances)
    return visualizer


def keypoints() -> Visualizer:
    """Draw a skeleton with an invisible keypoint and a complete skeleton."""
    visualizer = Visualizer(example_image(), METADATA)
    points = [
        [[60, 30, 1], [30, 80, 1], [90, 80, 1], [45, 150, 1], [75, 150, 0]],
        [[170, 40, 1], [140, 90, 1], [200, 90, 1], [155, 150, 1], [185, 150, 1]],
    ]
    visualizer.overlay_instances(labels=["one", "two"], keypoints=np.array(points, dtype=float))
    return visualizer


def semantic() -> Visualizer:
    """Draw a semantic segmentation of three classes and unlabelled pixels."""
    labels = np.full((HEIGHT, WIDTH), 1)
    labels[110:] = 2
    labels[150:, 60:180], labels[disc()] = 0, 255
    visualizer = Visualizer(example_image(), METADATA)
    visualizer.draw_sem_seg(labels)
    return visualizer


def panoptic() -> Visualizer:
    """Draw a panoptic segmentation."""
    visualizer = Visualizer(example_image(), METADATA)
    visualizer.draw_panoptic_seg(panoptic_ids(), SEGMENTS)
    return visualizer


def dataset_dict() -> Visualizer:
    """Draw a dataset record with boxes, polygons and a crowd annotation."""
    annotations = [
        {"bbox": [30, 60, 50, 80], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, "iscrowd": 0},
        {"bbox": [132, 42, 208, 118], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 1, "iscrowd": 1},
    ]
    annotations[0]["segmentation"] = [[30, 60, 80, 60, 55, 140]]
    annotations[1]["segmentation"] = [[132, 80, 170, 42, 208, 80, 170, 118]]
    visualizer = Visualizer(example_image(), METADATA)
    visualizer.draw_dataset_dict({"annotations": annotations})
    return visualizer


def masks() -> Visualizer:
    """Draw a binary mask with a hole and a soft mask, each with text."""
    visualizer = Visualizer(example_image())
    ring = disc() & ~disc(radius=18)
    visualizer.draw_binary_mask(ring, color="gold", text="ring", alpha=0.6)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    visualizer.draw_soft_mask(np.clip(1 - np.hypot(x - 55, y - 100) / 45, 0, 1), color="red", text="soft")
    return visualizer


def primitives() -> Visualizer:
    """Draw a line, a box, a circle, a polygon, a rotated box and texts."""
    visualizer = Visualizer(example_image())
    visualizer.draw_line([10, 230], [10, 60], color="yellow", linestyle="--")
    visualizer.draw_box((20, 30, 110, 90), edge_color="lime", alpha=0.8)
    visualizer.draw_circle((170, 80), color="white", radius=12)
    visualizer.draw_polygon(np.array([[120, 150], [160, 110], [200, 150], [160, 170]]), color="blue", alpha=0.5)
    visualizer.draw_rotated_box_with_label((70, 140, 70, 26, 20), edge_color="magenta", label="turned")
    visualizer.draw_text("top left", (0, 0), color="white", horizontal_alignment="left")
    visualizer.draw_text("beyond the right border", (240, 40), color="white", horizontal_alignment="left")
    return visualizer


def crowded() -> Visualizer:
    """Draw thirty overlapping boxes with labels that must not cover each other."""
    random = np.random.default_rng(0)
    centres = random.uniform((30, 30), (WIDTH - 30, HEIGHT - 30), (30, 2))
    sides = random.uniform(20, 60, (30, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    visualizer = Visualizer(example_image())
    visualizer.overlay_instances(boxes=boxes, labels=[f"object {index}" for index in range(30)])
    return visualizer


def gray() -> Visualizer:
    """Draw predictions on a gray image, scaled by two."""
    visualizer = Visualizer(example_image()[:, :, 1], METADATA, scale=2.0)
    visualizer.draw_instance_predictions(predictions())
    return visualizer


def video() -> SimpleNamespace:
    """Draw three frames with the same objects in different orders and return the third frame."""
    visualizer = VideoVisualizer(METADATA)
    order = [[0, 1, 2], [2, 1, 0], [1, 2, 0]]
    drawn = [
        visualizer.draw_instance_predictions(example_image(), predictions()[torch.tensor(index)]) for index in order
    ]
    return SimpleNamespace(get_output=lambda: drawn[-1])


SCENES: dict[str, Callable[[], object]] = {
    "instances": lambda: instances_in_mode(ColorMode.IMAGE),
    "instances_segmentation": lambda: instances_in_mode(ColorMode.SEGMENTATION),
    "instances_black_and_white": lambda: instances_in_mode(ColorMode.IMAGE_BW),
    "rotated": rotated,
    "keypoints": keypoints,
    "semantic": semantic,
    "panoptic": panoptic,
    "dataset_dict": dataset_dict,
    "masks": masks,
    "primitives": primitives,
    "crowded": crowded,
    "gray": gray,
    "video": video,
}


def drawn(name: str) -> np.ndarray:
    """Return the image of a scene, (H, W, 3) uint8 RGB."""
    return SCENES[name]().get_output().get_image()


def main() -> None:
    """Write the reference images of all scenes."""
    from PIL import Image

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        Image.fromarray(drawn(name)).quantize(256).save(FOLDER / f"{name}.png", optimize=True)
        sys.stdout.write(f"{FOLDER / name}.png\n")


if __name__ == "__main__":
    main()
