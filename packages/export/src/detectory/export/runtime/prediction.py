"""`Prediction`: the results for one image as arrays and plain values."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectory.export.runtime.masks import RLE


@dataclass
class Prediction:
    """The predictions for one image, in its pixels, in descending order of the scores.

    Args:
        height: Height of the image.
        width: Width of the image.
        boxes: (N, 4) float32 `(x1, y1, x2, y2)`, or (N, 5) `(cx, cy, w, h, degrees)` for rotated boxes.
        scores: (N,) float32.
        classes: (N,) int64 class indices.
        class_names: One name per detection; empty if the file does not contain class names.
        category_ids: One id of the annotation file per detection; empty if the file does not contain ids.
        masks: One mask per detection as COCO run lengths, or None if the model does not predict masks.
        keypoints: (N, K, 3) float32 x, y and score, or None.
        sem_seg: (H, W) int64 labels, or None.
        panoptic: (H, W) int32 segment ids, 0 for pixels without a segment, or None.
        segments: One dict per panoptic segment.
    """

    height: int
    width: int
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    class_names: list[str] = field(default_factory=list)
    category_ids: list[int | str] = field(default_factory=list)
    masks: list[RLE] | None = None
    keypoints: np.ndarray | None = None
    sem_seg: np.ndarray | None = None
    panoptic: np.ndarray | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.scores)

    def to_json(self) -> dict[str, Any]:
        """Return the detections and segments as plain values; semantic labels are summarised as pixels per label."""
        result: dict[str, Any] = {"height": self.height, "width": self.width}
        result["detections"] = [self._detection(i) for i in range(len(self))]
        if self.sem_seg is not None:
            labels, counts = np.unique(self.sem_seg, return_counts=True)
            result["sem_seg_pixels"] = dict(zip(map(str, labels.tolist()), counts.tolist(), strict=True))
        if self.panoptic is not None:
            result["segments"] = self.segments
        return result

    def _detection(self, i: int) -> dict[str, Any]:
        entry: dict[str, Any] = {"class": int(self.classes[i]), "score": float(self.scores[i])}
        if self.class_names:
            entry["name"] = self.class_names[i]
        if self.category_ids:
            entry["category_id"] = self.category_ids[i]
        entry["box"] = self.boxes[i].tolist()
        if self.masks is not None:
            entry["segmentation"] = self.masks[i]
        if self.keypoints is not None:
            entry["keypoints"] = self.keypoints[i].tolist()
        return entry
