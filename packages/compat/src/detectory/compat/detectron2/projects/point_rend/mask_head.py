"""PointRend's mask head: coarse masks refined at uncertain points.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, sections 3 and 4.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import Conv2d, ShapeSpec
from detectory.compat.detectron2.modeling.roi_heads.mask_head import (
    ROI_MASK_HEAD_REGISTRY,
    mask_rcnn_inference,
    mask_rcnn_loss,
)
from detectory.modeling.layers import c2_msra_fill, c2_xavier_fill, init_predictor
from detectory.modeling.roi_heads.mask_head import class_channel
from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks

from .point_features import (
    generate_regular_grid_point_coords,
    get_point_coords_wrt_image,
    get_uncertain_point_coords_on_grid,
    get_uncertain_point_coords_with_randomness,
    point_sample,
    point_sample_fine_grained_features,
)
from .point_head import build_point_head, roi_mask_point_loss

__all__ = ["CoarseMaskHead", "PointRendMaskHead", "calculate_uncertainty", "roi_mask_point_loss"]

Shapes = Mapping[str, ShapeSpec]


def calculate_uncertainty(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the uncertainty `(R, 1, ...)` of each region's class logit; the maximum is 0, at the decision boundary.

    Args:
        logits: `(R, K or 1, ...)`.
        classes: `(R,)`.
    """
    return -class_channel(logits, classes).abs().unsqueeze(1)


def _sample_ground_truth(instances: Sequence[Instances], points: Tensor) -> Tensor:
    """Sample the ground-truth masks of all images at points in image coordinates `(R, P, 2)`; return `(R, P)`."""
    labels = []
    for x, own in zip(instances, points.split([len(x) for x in instances]), strict=True):
        masks, (height, width) = x.gt_masks, x.image_size
        if isinstance(masks, PolygonMasks):
            masks = BitMasks.from_polygon_masks(masks, height, width)
        bits = masks.tensor.to(points)
        size = points.new_tensor([bits.shape[2], bits.shape[1]])
        labels.append(point_sample(bits[:, None], own / size)[:, 0])
    return torch.cat(labels)


class CoarseMaskHead(nn.Module):
    """Coarse mask prediction by fully connected layers over a grid of points.

    Args:
        in_channels: Channels of the input features.
        num_classes: Number of masks per region.
        conv_dim: Channels of the convolution that halves the grid.
        fc_dim: Channels of the hidden layers.
        num_fc: Number of hidden layers.
        output_side_resolution: Side of the mask; the input grid is twice as large.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        conv_dim: int = 256,
        fc_dim: int = 1024,
        num_fc: int = 2,
        output_side_resolution: int = 7,
    ) -> None:
        super().__init__()
        self.num_classes, self.output_side_resolution = num_classes, output_side_resolution
        self.reduce_channel_dim_conv: nn.Module | None = None
        if in_channels > conv_dim:
            self.reduce_channel_dim_conv = Conv2d(in_channels, conv_dim, kernel_size=1, activation=nn.ReLU())
            c2_msra_fill(self.reduce_channel_dim_conv)
            in_channels = conv_dim
        self.reduce_spatial_dim_conv = Conv2d(in_channels, conv_dim, kernel_size=2, stride=2, activation=nn.ReLU())
        c2_msra_fill(self.reduce_spatial_dim_conv)
        self.fcs: list[nn.Linear] = []
        width = conv_dim * output_side_resolution**2
        for number in range(1, num_fc + 1):
            layer = nn.Linear(width, fc_dim)
            c2_xavier_fill(layer)
            self.add_module(f"coarse_mask_fc{number}", layer)
            self.fcs.append(layer)
            width = fc_dim
        self.prediction = nn.Linear(width, num_classes * output_side_resolution**2)
        init_predictor(self.prediction, std=0.001)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD`, for features of the given shape."""
        settings = cfg.MODEL.ROI_MASK_HEAD
        return {
            "in_channels": input_shape.channels,
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dim": settings.CONV_DIM,
            "fc_dim": settings.FC_DIM,
            "num_fc": settings.NUM_FC,
            "output_side_resolution": settings.OUTPUT_SIDE_RESOLUTION,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Map `(R, C, 2 * S, 2 * S)` to logits `(R, num_classes, S, S)`."""
        if self.reduce_channel_dim_conv is not None:
            x = self.reduce_channel_dim_conv(x)
        x = self.reduce_spatial_dim_conv(x).flatten(1)
        for layer in self.fcs:
            x = F.relu(layer(x))
        side = self.output_side_resolution
        return self.prediction(x).view(x.shape[0], self.num_classes, side, side)


@ROI_MASK_HEAD_REGISTRY.register()
class PointRendMaskHead(nn.Module):
    """Predicts a coarse mask per region and refines it at uncertain points.

    A mask head of `StandardROIHeads` with `MODEL.ROI_MASK_HEAD.POOLER_TYPE: ""`, so that it receives the feature maps.

    Args:
        coarse_head: A `CoarseMaskHead` or equivalent.
        point_head: A `StandardPointHead` or equivalent; None disables the refinement.
        strides: Stride of each feature map in pixels.
        coarse_in_features: Names of the coarse head's feature maps.
        point_in_features: Names of the point head's feature maps.
        train_num_points: Points per region in training.
        oversample_ratio: Oversampling factor of the candidate points.
        importance_sample_ratio: Fraction of points selected by uncertainty.
        subdivision_steps: Number of times inference doubles the mask resolution.
        subdivision_num_points: Points refined per step.
    """

    @configurable
    def __init__(
        self,
        *,
        coarse_head: nn.Module,
        point_head: nn.Module | None,
        strides: Mapping[str, int],
        coarse_in_features: Sequence[str],
        point_in_features: Sequence[str] = (),
        train_num_points: int = 196,
        oversample_ratio: float = 3,
        importance_sample_ratio: float = 0.75,
        subdivision_steps: int = 5,
        subdivision_num_points: int = 784,
    ) -> None:
        super().__init__()
        self.coarse_head: Any = coarse_head
        self.point_head: Any = point_head
        self._scales = {name: 1.0 / stride for name, stride in strides.items()}
        self.coarse_in_features, self.point_in_features = list(coarse_in_features), list(point_in_features)
        self.train_num_points = train_num_points
        self.oversample_ratio, self.importance_sample_ratio = oversample_ratio, importance_sample_ratio
        self.subdivision_steps, self.subdivision_num_points = subdivision_steps, subdivision_num_points

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD` and `MODEL.POINT_HEAD`, for feature maps of the given shapes.

        Raises:
            ValueError: If the two sections have different numbers of classes.
        """
        heads, points = cfg.MODEL.ROI_MASK_HEAD, cfg.MODEL.POINT_HEAD
        strides = {name: shape.stride for name, shape in input_shape.items()}
        finest = [min(strides, key=strides.__getitem__)]
        coarse_names, point_names = list(heads.IN_FEATURES) or finest, list(points.IN_FEATURES) or finest

        def total(names: Sequence[str]) -> ShapeSpec:
            return ShapeSpec(channels=sum(input_shape[name].channels for name in names))

        if heads.POINT_HEAD_ON and points.NUM_CLASSES != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
            raise ValueError(
                f"PointRendMaskHead: MODEL.POINT_HEAD.NUM_CLASSES {points.NUM_CLASSES} must equal "
                f"MODEL.ROI_HEADS.NUM_CLASSES {cfg.MODEL.ROI_HEADS.NUM_CLASSES}"
            )
        return {
            "coarse_head": CoarseMaskHead(cfg, total(coarse_names)),
            "point_head": build_point_head(cfg, total(point_names)) if heads.POINT_HEAD_ON else None,
            "strides": strides,
            "coarse_in_features": coarse_names,
            "point_in_features": point_names,
            "train_num_points": points.TRAIN_NUM_POINTS,
            "oversample_ratio": points.OVERSAMPLE_RATIO,
            "importance_sample_ratio": points.IMPORTANCE_SAMPLE_RATIO,
            "subdivision_steps": points.SUBDIVISION_STEPS,
            "subdivision_num_points": points.SUBDIVISION_NUM_POINTS,
        }

    def forward(
        self, features: Mapping[str, Tensor], instances: Sequence[Instances]
    ) -> dict[str, Tensor] | Sequence[Instances]:
        """Predict masks.

        Args:
            features: Feature maps of the batch by name.
            instances: Regions per image: foreground proposals in training, detections in inference.

        Returns:
            In training `loss_mask` and, with a point head, `loss_mask_point`; in inference `instances` with
            `pred_masks`
                `(R, 1, S, S)`.
        """
        boxes = [x.proposal_boxes if self.training else x.pred_boxes for x in instances]
        coarse = self._coarse(features, boxes)
        if self.training:
            losses = {"loss_mask": mask_rcnn_loss(coarse, instances)}
            if self.point_head is not None:
                losses["loss_mask_point"] = self._point_loss(features, boxes, coarse, instances)
            return losses
        classes = torch.cat([x.pred_classes for x in instances])
        mask_rcnn_inference(self._refined(features, boxes, coarse, classes), instances)
        return instances

    def _coarse(self, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
        """Return coarse logits `(R, K, S, S)` from features on a regular grid."""
        side = 2 * self.coarse_head.output_side_resolution
        regions = torch.cat([x.tensor for x in boxes])
        grid = generate_regular_grid_point_coords(regions.shape[0], side, regions.device)
        sampled = self._at(features, self.coarse_in_features, boxes, grid)
        return self.coarse_head(sampled.view(regions.shape[0], sampled.shape[1], side, side))

    def _at(
        self, features: Mapping[str, Tensor], names: Sequence[str], boxes: Sequence[Boxes], points: Tensor
    ) -> Tensor:
        maps, scales = [features[name] for name in names], [self._scales[name] for name in names]
        return point_sample_fine_grained_features(maps, scales, boxes, points)[0]

    def _point_loss(
        self,
        features: Mapping[str, Tensor],
        boxes: Sequence[Boxes],
        coarse: Tensor,
        instances: Sequence[Instances],
    ) -> Tensor:
        classes = torch.cat([x.gt_classes for x in instances])
        with torch.no_grad():
            points = get_uncertain_point_coords_with_randomness(
                coarse,
                lambda logits: calculate_uncertainty(logits, classes),
                self.train_num_points,
                self.oversample_ratio,
                self.importance_sample_ratio,
            )
            labels = _sample_ground_truth(
                instances, get_point_coords_wrt_image(torch.cat([x.tensor for x in boxes]), points)
            )
        fine = self._at(features, self.point_in_features, boxes, points)
        return roi_mask_point_loss(self.point_head(fine, point_sample(coarse, points)), instances, labels)

    def _refined(
        self, features: Mapping[str, Tensor], boxes: Sequence[Boxes], coarse: Tensor, classes: Tensor
    ) -> Tensor:
        """Return refined logits `(R, 1, S, S)` of each region's class."""
        logits = class_channel(coarse, classes).unsqueeze(1)
        if self.point_head is None:
            return logits
        for step in range(1, self.subdivision_steps + 1):
            logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
            cells = (self.coarse_head.output_side_resolution * 2**step) ** 2
            if self.subdivision_num_points >= 4 * cells and step < self.subdivision_steps:
                continue  # the next step recomputes all points of this x
            indices, points = get_uncertain_point_coords_on_grid(-logits.abs(), self.subdivision_num_points)
            fine = self._at(features, self.point_in_features, boxes, points)
            decided = class_channel(self.point_head(fine, point_sample(coarse, points)), classes)  # (R, P)
            logits = logits.flatten(1).scatter(1, indices, decided).view(logits.shape)
        return logits
