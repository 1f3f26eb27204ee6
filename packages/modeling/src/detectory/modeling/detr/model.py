"""DETR: a backbone, a transformer and a set of queries."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone
from detectory.structures import ImageList, Instances

from .criterion import SetCriterion
from .position_encoding import SinePositionEncoding
from .query_detector import QueryDetector, corners_in_pixels
from .transformer import DETRTransformer


class DETR(QueryDetector):
    """Detector that predicts a fixed number of objects, without anchors and NMS.

    Args:
        backbone: Maps images to feature maps.
        in_feature: Name of the feature map.
        position_encoding: Encodes the positions of the cells.
        transformer: Encoder and decoder.
        criterion: Losses.
        num_queries: Maximum number of objects.
        num_classes: Number of classes, `K`.
        test_score_thresh: Score threshold of the detections, exclusive.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        in_feature: str = "res5",
        position_encoding: SinePositionEncoding,
        transformer: DETRTransformer,
        criterion: SetCriterion,
        num_queries: int = 100,
        num_classes: int,
        test_score_thresh: float = 0.0,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "RGB",
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.in_feature = in_feature
        self.position_encoding = position_encoding
        self.transformer = transformer
        self.criterion = criterion
        channels = transformer.channels
        in_channels = backbone.output_shape()[in_feature].channels
        assert in_channels is not None
        self.input_proj = nn.Conv2d(in_channels, channels, 1)
        self.query_embed = nn.Embedding(num_queries, channels)
        self.class_embed = nn.Linear(channels, num_classes + 1)
        self.bbox_embed = nn.ModuleList(
            [nn.Linear(channels, channels), nn.Linear(channels, channels), nn.Linear(channels, 4)]
        )
        self.num_classes = num_classes
        self.test_score_thresh = test_score_thresh
        self.max_detections_per_image = max_detections_per_image
        self.input_format = input_format

    def predict(self, images: ImageList) -> tuple[Tensor, Tensor]:
        """Return the predictions of all decoder layers.

        Args:
            images: The batch.

        Returns:
            Class logits `(L, B, Q, K + 1)`, "no object" last, and normalized boxes `(L, B, Q, 4)` as
            `(cx, cy, width, height)`.
        """
        features = self.backbone(images.tensor)[self.in_feature]
        mask = padding_mask(images, features)
        x = self.transformer(self.input_proj(features), self.position_encoding(mask), mask, self.query_embed.weight)
        logits = self.class_embed(x)
        for layer in self.bbox_embed[:-1]:
            x = F.relu(layer(x))
        return logits, self.bbox_embed[-1](x).sigmoid()

    def losses(self, predictions: tuple[Tensor, Tensor], targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Return the losses of the result of `predict`."""
        return self.criterion(*predictions, targets)

    def inference(self, logits: Tensor, boxes: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        """Return the detections of each image, in descending order of the scores.

        Args:
            logits: `(B, Q, K + 1)`.
            boxes: `(B, Q, 4)` normalized boxes.
            image_sizes: `(height, width)` of each image.
        """
        results = []
        for image_logits, image_boxes, (height, width) in zip(logits, boxes, image_sizes, strict=True):
            scores, classes = image_logits.float().softmax(dim=-1)[:, :-1].max(dim=-1)
            scores, order = scores.topk(min(self.max_detections_per_image, scores.shape[0]))
            above = scores > self.test_score_thresh
            scores, order = scores[above], order[above]
            corners = corners_in_pixels(image_boxes[order], height, width)
            results.append(Instances((height, width), pred_boxes=corners, scores=scores, pred_classes=classes[order]))
        return results


def padding_mask(images: ImageList, features: Tensor) -> Tensor:
    """Return the mask `(B, H, W)` of the cells of a feature map that are padding, True for padding."""
    rows, columns = (torch.arange(size, device=features.device) for size in images.tensor.shape[-2:])
    padding = [(rows >= height)[:, None] | (columns >= width) for height, width in images.image_sizes]
    mask = torch.stack(padding).float()
    return F.interpolate(mask.unsqueeze(1), features.shape[-2:], mode="nearest")[:, 0].bool()
