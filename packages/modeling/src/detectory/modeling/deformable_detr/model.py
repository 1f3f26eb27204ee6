"""Deformable DETR, with iterative box refinement and two stages as options."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone
from detectory.modeling.detr import FocalSetCriterion, SinePositionEncoding
from detectory.modeling.detr.model import padding_mask
from detectory.modeling.detr.query_detector import QueryDetector, corners_in_pixels
from detectory.structures import ImageList, Instances

from .attention import FeatureTokens
from .proposals import ProposalStage, inverse_sigmoid
from .transformer import DeformableTransformer


class BoxBranch(nn.Sequential):
    """Three linear layers from a query to a box."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 4)
        )
        nn.init.zeros_(self[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self[-1].bias)  # type: ignore[arg-type]


class DeformableDETR(QueryDetector):
    """Detector that predicts a fixed number of objects, with deformable attention to several feature maps.

    Args:
        backbone: Maps images to feature maps with the channels of the transformer, like `ChannelMapper`.
        position_encoding: Encodes the positions of the cells.
        transformer: Encoder and decoder.
        criterion: Losses.
        num_queries: Maximum number of objects.
        num_classes: Number of classes, `K`.
        box_refinement: Whether every decoder layer refines the boxes of the previous one, with separate predictors.
        two_stage: Whether the encoder proposes the first boxes.
        test_score_thresh: Score threshold of the detections, exclusive.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Raises:
        ValueError: If `two_stage` is set without `box_refinement`.

    Source: Zhu et al., "Deformable DETR: Deformable Transformers for End-to-End Object Detection", 2021.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        position_encoding: SinePositionEncoding,
        transformer: DeformableTransformer,
        criterion: FocalSetCriterion,
        num_queries: int = 300,
        num_classes: int,
        box_refinement: bool = False,
        two_stage: bool = False,
        test_score_thresh: float = 0.0,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "RGB",
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        if two_stage and not box_refinement:
            raise ValueError("DeformableDETR: two_stage needs box_refinement")
        self.position_encoding = position_encoding
        self.transformer = transformer
        self.criterion = criterion
        channels, depth = transformer.channels, len(transformer.decoder)
        self.num_queries = num_queries
        self.num_classes = num_classes
        self.box_refinement = box_refinement
        # Without refinement, all layers share one predictor.
        count = depth if box_refinement else 1
        self.class_embed = nn.ModuleList(nn.Linear(channels, num_classes) for _ in range(count))
        self.bbox_embed = nn.ModuleList(BoxBranch(channels) for _ in range(count))
        for layer in self.class_embed:
            nn.init.constant_(layer.bias, -math.log(99))  # type: ignore[arg-type]
        self.proposals = ProposalStage(channels, num_classes, BoxBranch(channels)) if two_stage else None
        if not two_stage:
            nn.init.constant_(self.bbox_embed[0][-1].bias[2:], -2.0)  # type: ignore[index]
            self.query_embed = nn.Embedding(num_queries, 2 * channels)
            self.reference_points = nn.Linear(channels, 2)
            nn.init.xavier_uniform_(self.reference_points.weight)
            nn.init.zeros_(self.reference_points.bias)
        self.test_score_thresh = test_score_thresh
        self.max_detections_per_image = max_detections_per_image
        self.input_format = input_format

    def predict(self, images: ImageList) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Return the predictions of all decoder layers, and those of the first stage if there are two.

        Args:
            images: The batch.

        Returns:
            Class logits `(L, B, Q, K)`, normalized boxes `(L, B, Q, 4)` as `(cx, cy, width, height)`, and the class
            logits `(B, S, K)` and boxes `(B, S, 4)` of the first stage.
        """
        maps = self.backbone(images.tensor)
        features = list(maps.values())
        masks = [padding_mask(images, level) for level in features]
        tokens = _tokens(features, masks)
        memory = self.transformer.encode(features, [self.position_encoding(mask) for mask in masks], tokens)
        if self.proposals is not None:
            first = self.proposals(memory, features, tokens, self.num_queries)
            queries, position, references = first.queries, first.positions, first.boxes
            stage = (first.logits, first.all_boxes)
        else:
            position, queries = self.query_embed.weight.expand(len(memory), -1, -1).chunk(2, dim=-1)
            references, stage = self.reference_points(position).sigmoid(), None
        refine = self._boxes if self.box_refinement else None
        outputs, all_references = self.transformer.decode(queries, position, references, memory, tokens, refine)
        logits = [self._branch(self.class_embed, i)(x) for i, x in enumerate(outputs)]
        boxes = [self._boxes(i, x, r) for i, (x, r) in enumerate(zip(outputs, all_references, strict=True))]
        return torch.stack(logits), torch.stack(boxes), stage

    @staticmethod
    def _branch(branches: nn.ModuleList, layer: int) -> nn.Module:
        return branches[layer if len(branches) > 1 else 0]

    def _boxes(self, layer: int, x: Tensor, references: Tensor) -> Tensor:
        """Return the boxes `(B, Q, 4)` of a decoder layer relative to its references."""
        offsets = inverse_sigmoid(references)
        if offsets.shape[-1] == 2:
            offsets = F.pad(offsets, (0, 2))
        return (self._branch(self.bbox_embed, layer)(x) + offsets).sigmoid()

    def losses(
        self, predictions: tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None], targets: Sequence[Instances]
    ) -> dict[str, Tensor]:
        """Return the losses of the result of `predict`."""
        logits, boxes, proposals = predictions
        losses = self.criterion(logits, boxes, targets)
        if proposals is not None:
            # The first stage distinguishes objects from background only, by the logit of class 0.
            objects = [
                Instances(one.image_size, gt_boxes=one.gt_boxes, gt_classes=torch.zeros_like(one.gt_classes))
                for one in targets
            ]
            first = self.criterion(proposals[0][None], proposals[1][None], objects)
            losses |= {f"{name}_proposals": loss for name, loss in first.items()}
        return losses

    def inference(self, logits: Tensor, boxes: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        """Return the detections of each image, in descending order of the scores; a query may have several classes.

        Args:
            logits: `(B, Q, K)`.
            boxes: `(B, Q, 4)` normalized boxes.
            image_sizes: `(height, width)` of each image.
        """
        results = []
        for image_logits, image_boxes, (height, width) in zip(logits, boxes, image_sizes, strict=True):
            flat = image_logits.float().sigmoid().flatten()
            scores, order = flat.topk(min(self.max_detections_per_image, flat.shape[0]))
            order = order[scores > self.test_score_thresh]
            query = order // self.num_classes
            corners = corners_in_pixels(image_boxes[query], height, width)
            results.append(
                Instances(
                    (height, width),
                    pred_boxes=corners,
                    scores=flat[order],
                    pred_classes=order % self.num_classes,
                )
            )
        return results


def _tokens(features: Sequence[Tensor], masks: Sequence[Tensor]) -> FeatureTokens:
    """Return the structure of feature maps `(B, C, H, W)` with padding masks `(B, H, W)`."""
    device = features[0].device
    shapes = torch.stack([torch._shape_as_tensor(level)[-2:] for level in features]).to(device)
    areas = shapes.prod(dim=1)
    ratios = [
        torch.stack(((~mask[:, 0]).float().mean(dim=1), (~mask[:, :, 0]).float().mean(dim=1)), dim=1) for mask in masks
    ]
    return FeatureTokens(
        mask=torch.cat([mask.flatten(1) for mask in masks], dim=1),
        shapes=shapes,
        starts=areas.cumsum(0) - areas,
        valid_ratios=torch.stack(ratios, dim=1),
    )
