"""`DenseScores`: a one-stage detector up to the boxes and scores of all anchors, without operators of variable size."""

from typing import Any

import torch
from torch import Tensor, nn

from detectory.export.inference_graph import InferenceGraph
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.ops import batched_nms
from detectory.structures import Boxes


class DenseScores(nn.Module):
    """A one-stage detector as a function from one image to all its candidates.

    `detectory.export.runtime.candidates.select_detections` returns the detections.

    Args:
        graph: The graph of a `DenseDetector`.
    """

    def __init__(self, graph: InferenceGraph) -> None:
        super().__init__()
        self.model: Any = graph.model
        self.levels: tuple[int, ...] = ()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the candidates of an image (C, H, W) float32; the first call sets `levels`.

        Returns:
            Boxes (R, 4) of all anchors, finest level first; scores (R, K) from 0 to 1; and factors (R,) of the scores,
            applied after the selection of the best candidates.
        """
        captured: list[Any] = []
        self.model._detect = lambda *arguments: captured.append(arguments)
        images = self.model.preprocess_image([{"image": image}])
        maps = self.model.backbone(images.tensor)
        features = [maps[name] for name in self.model.head_in_features]
        self.model.forward_inference(images, features, self.model.head(features))
        del self.model._detect
        anchors, scores, deltas, _, *factors = captured[0]
        self.levels = tuple(len(level) for level in anchors)
        transform = self.model.box2box_transform
        boxes = [transform.apply_deltas(delta, level.tensor) for delta, level in zip(deltas, anchors, strict=True)]
        all_scores = torch.cat(list(scores))
        all_factors = torch.cat(list(factors[0])) if factors else torch.ones_like(all_scores[:, 0])
        return torch.cat(boxes), all_scores, all_factors


def unsupported_reason(model: nn.Module, title: str, height: int, batch: int) -> str | None:
    """Return why a model cannot be exported as `DenseScores`, or None if it can.

    Args:
        model: The model.
        title: Name of the format.
        height: Fixed height of the input, 0 for any size.
        batch: Number of images per call.
    """
    if not isinstance(model, DenseDetector):
        return (
            f"{title} files contain only operators with fixed output sizes, which excludes the regions of "
            f"{type(model).__name__}. One-stage models such as RetinaNet and FCOS can be exported"
        )
    if model._box_class is not Boxes or model._batched_nms is not batched_nms:
        return f"{title} files do not support the pixel convention of this model"
    if not height or batch != 1:
        return f"{title} files need a fixed size and one image per call. Set height and width"
    return None
