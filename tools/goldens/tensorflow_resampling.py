"""Measures how much TensorFlow's resizing and cropping differ from ours on an image.

    python tools/goldens/tensorflow_resampling.py write IMAGE FILE  # in an environment with tensorflow-cpu
    python tools/goldens/tensorflow_resampling.py compare FILE      # in an environment with Detectory

Our resizing is that of the data pipeline, bilinear with antialiasing, and our cropping is `roi_align`. The results are
in `docs/tasks/convert.md`.
"""

import sys
from typing import Any

import numpy as np

SIZES = ((0.5, "half"), (2.0, "double"))
BOXES = np.array([[40.3, 60.7, 180.9, 300.2], [200.0, 16.0, 424.0, 240.0], [10.5, 10.5, 30.0, 28.0]], np.float32)
CROP = 14


def write(image: str, path: str) -> None:
    """Save the results of TensorFlow."""
    import tensorflow as tf

    pixels = tf.io.decode_image(tf.io.read_file(image), channels=3, expand_animations=False).numpy()
    arrays: dict[str, Any] = {"image": pixels}
    height, width = pixels.shape[:2]
    for factor, name in SIZES:
        size = round(height * factor), round(width * factor)
        old = tf.compat.v1.image.resize_bilinear
        arrays[f"{name}: tf.image.resize(antialias=True)"] = tf.image.resize(pixels, size, antialias=True)
        arrays[f"{name}: tf.image.resize"] = tf.image.resize(pixels, size)
        arrays[f"{name}: tf.compat.v1 resize_bilinear"] = old(pixels[None], size)[0]
        arrays[f"{name}: tf.compat.v1 resize_bilinear(align_corners=True)"] = old(
            pixels[None], size, align_corners=True
        )[0]
    # The corners of crop_and_resize are pixel centers: y / (H - 1), x / (W - 1).
    scale = np.array([height - 1, width - 1] * 2, np.float32)
    corners = {"edges as centers": BOXES, "tensorpack": tensorpack_boxes(BOXES, CROP)}
    for name, boxes in corners.items():
        order = boxes[:, [1, 0, 3, 2]]  # y1, x1, y2, x2
        batch = tf.image.crop_and_resize(pixels[None].astype(np.float32), order / scale, [0] * len(boxes), [CROP, CROP])
        arrays[f"crop: {name}"] = batch
    doubled = tensorpack_boxes(BOXES, 2 * CROP)[:, [1, 0, 3, 2]] / scale
    fine = tf.image.crop_and_resize(pixels[None].astype(np.float32), doubled, [0] * len(BOXES), [2 * CROP, 2 * CROP])
    arrays["crop: tensorpack, two samples per side averaged"] = tf.nn.avg_pool2d(fine, 2, 2, "VALID")
    np.savez_compressed(path, **{key: np.asarray(value) for key, value in arrays.items()})


def tensorpack_boxes(boxes: np.ndarray, size: int) -> np.ndarray:
    """Return boxes with whose corners `crop_and_resize` samples the centers of `size` cells of the boxes.

    Args:
        boxes: (N, 4), pixel centers at half coordinates.
        size: Number of cells per side.
    """
    spacing = (boxes[:, 2:] - boxes[:, :2]) / size
    first = boxes[:, :2] + spacing / 2 - 0.5
    return np.concatenate([first, first + spacing * (size - 1)], axis=1)


def compare(path: str) -> None:
    """Print the mean and largest absolute difference from ours, in gray levels."""
    import torch

    from detectory.data.transforms import ResizeTransform
    from detectory.ops import roi_align

    arrays = np.load(path)
    pixels = arrays["image"]
    height, width = pixels.shape[:2]
    for factor, name in SIZES:
        size = round(height * factor), round(width * factor)
        ours = ResizeTransform(height, width, *size).apply_image(pixels).astype(np.float32)
        for key in arrays.files:
            if key.startswith(f"{name}:"):
                report(key, arrays[key], ours)
    feature = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    boxes = torch.cat([torch.zeros(len(BOXES), 1), torch.from_numpy(BOXES)], dim=1)
    for key in arrays.files:
        if key.startswith("crop:"):
            for ratio in (1, 2, 0):
                ours = roi_align(feature, boxes, CROP, 1.0, ratio, True).permute(0, 2, 3, 1).numpy()
                report(f"{key}, sampling_ratio={ratio}", arrays[key], ours)


def report(name: str, theirs: np.ndarray, ours: np.ndarray) -> None:
    """Print the differences of two arrays."""
    difference = np.abs(theirs - ours)
    print(f"{name}: mean {difference.mean():.3f}, largest {difference.max():.2f}")


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
