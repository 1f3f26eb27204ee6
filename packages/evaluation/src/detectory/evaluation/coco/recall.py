"""Recall of object proposals: how many objects have a proposal that covers them, whatever their class.

Source: Hosang et al., "What Makes for Effective Detection Proposals?", 2015 (average recall), with COCO's areas.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.structures import BoxMode, Instances

from .matching import CocoObjects

AREAS = {
    "": (0.0, 1e10),
    "s": (0.0, 32.0**2),
    "m": (32.0**2, 96.0**2),
    "l": (96.0**2, 1e10),
    "96-128": (96.0**2, 128.0**2),
    "128-256": (128.0**2, 256.0**2),
    "256-512": (256.0**2, 512.0**2),
    "512-inf": (512.0**2, 1e10),
}
LIMITS = (100, 1000)
THRESHOLDS = np.arange(0.5, 0.95 + 1e-5, 0.05)

Overlaps = dict[tuple[str, int], np.ndarray]


def best_proposals(proposals: Instances) -> np.ndarray:
    """The boxes (N, 4) float32 of the most that count, by falling `objectness_logits`; ties keep their order."""
    order = proposals.objectness_logits.argsort(descending=True, stable=True)[: max(LIMITS)]
    return proposals.proposal_boxes.tensor[order].detach().cpu().float().numpy()


def covered_overlaps(proposals: np.ndarray, boxes: np.ndarray, areas: np.ndarray) -> Overlaps:
    """How well the objects of one image are covered, for each range of areas and number of proposals.

    Objects and proposals are paired one to one: again and again the object that any free proposal covers best takes
    that proposal.

    Args:
        proposals: (N, 4) as corners, the best first.
        boxes: (M, 4) of the objects as corners. areas: (M,) of the objects.

    Returns:
        (area's name, limit) to (M',) overlaps of its objects, 0 where no proposal is left.
    """
    pairwise = ops.pairwise_iou(torch.from_numpy(proposals).float(), torch.from_numpy(boxes).float()).numpy()
    found = {}
    for name, (low, high) in AREAS.items():
        inside = (areas >= low) & (areas <= high)
        for limit in LIMITS:
            found[name, limit] = _cover(pairwise[:limit, inside].copy())
    return found


def recall_figures(images: Iterable[Overlaps]) -> dict[str, float]:
    """Measure: "AR@100", "ARs@100", …, "AR@1000", …: recall averaged over IoU 0.5 to 0.95, in percent.

    NaN where no object has such an area.
    """
    images = list(images)
    figures = {}
    for limit in LIMITS:
        for name in AREAS:
            overlaps = np.concatenate([np.zeros(0), *(image[name, limit] for image in images)])
            recalls = [(overlaps >= threshold).mean() for threshold in THRESHOLDS] if len(overlaps) else [math.nan]
            figures[f"AR{name}@{limit}"] = 100 * float(np.mean(recalls))
    return figures


class ImageObjects:
    """The objects of each image that proposals should cover: no crowds, and no boxes without an area.

    Args:
        objects: The annotations as columns.
    """

    def __init__(self, objects: CocoObjects) -> None:
        kept = ~objects.crowd
        boxes = torch.from_numpy(objects.boxes[kept])
        self._boxes = BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS).numpy()
        self._areas = objects.areas[kept]
        self._rows: dict[Any, list[int]] = {}
        for row, image in enumerate(objects.image_ids[kept].tolist()):
            self._rows.setdefault(image, []).append(row)

    def of(self, image_id: Any) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (M, 4) as corners and areas (M,)."""
        rows = self._rows.get(image_id, [])
        return self._boxes[rows], self._areas[rows]


def merged(parts: Sequence[Mapping[Any, Overlaps]]) -> list[Overlaps]:
    """What processes found, each image once."""
    return list({image: overlaps for part in reversed(parts) for image, overlaps in part.items()}.values())


def _cover(pairwise: np.ndarray) -> np.ndarray:
    """Pair proposals (N) and objects (M) one to one, the best covered object first: overlaps (M,)."""
    overlaps = np.zeros(pairwise.shape[1])
    for turn in range(min(pairwise.shape)):
        best, place = pairwise.max(axis=0), pairwise.argmax(axis=0)
        column = int(best.argmax())
        overlaps[turn] = best[column]
        pairwise[place[column]], pairwise[:, column] = -1, -1
    return overlaps
