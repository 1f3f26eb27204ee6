"""Keypoints located in heatmaps."""

import numpy as np

from detectory.export.runtime.resampling import bicubic_matrix


def heatmaps_to_keypoints(maps: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the maximum of each heatmap after resizing it to its box, as `detectory.structures` does with torch.

    Args:
        maps: (N, K, S, S) logits.
        boxes: (N, 4), in pixels.

    Returns:
        (N, K, 3) float32: x, y, and the softmax score.
    """
    keypoints = np.zeros((*maps.shape[:2], 3), np.float32)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    for i, (heatmaps, box, side) in enumerate(zip(maps.astype(np.float32), boxes, sides, strict=True)):
        width, height = (int(pixels) for pixels in np.ceil(side))
        rows = bicubic_matrix(maps.shape[2], height) @ heatmaps
        resized = (rows @ bicubic_matrix(maps.shape[3], width).T).reshape(len(heatmaps), -1)
        position = resized.argmax(axis=1)
        logit = resized[np.arange(len(heatmaps)), position]
        cell = np.stack([position % width, position // width], axis=1)
        # The heatmap has a whole number of pixels; the factor maps it back to the exact sides of the box.
        keypoints[i, :, :2] = (cell + np.float32(0.5)) * (side / np.ceil(side)) + box[:2]
        keypoints[i, :, 2] = 1 / np.exp(heatmaps.reshape(len(heatmaps), -1) - logit[:, None]).sum(axis=1)
    return keypoints
