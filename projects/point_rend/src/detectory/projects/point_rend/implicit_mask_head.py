"""Implicit PointRend: a small network per region, with predicted weights, that classifies points.

Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022, section 5.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.roi_heads import mask_rcnn_inference
from detectory.modeling.roi_heads.mask_head import class_channel
from detectory.structures import Boxes, Instances

from .mask_head import PointRendMaskHead
from .point_features import get_point_coords_wrt_image, sample_point_labels
from .point_head import roi_mask_point_loss
from .subdivision import refine_by_subdivision

__all__ = ["ImplicitPointHead", "ImplicitPointRendMaskHead"]


class ImplicitPointHead(nn.Module):
    """Multilayer perceptron over points, with different weights for each region.

    The input of a point is the Fourier encoding of its position, followed by its image features.

    Args:
        in_channels: Channels of the image features; 0 without image features.
        num_classes: Number of masks per region.
        channels: Channels of the hidden layers.
        num_layers: Number of layers, the last one included.
        positional_encoding_dims: Channels of the encoding, half of them sines and half cosines; 0 for no encoding.

    Raises:
        ValueError: If neither features nor positions are used.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        num_layers: int = 4,
        positional_encoding_dims: int = 256,
    ) -> None:
        super().__init__()
        if in_channels + positional_encoding_dims == 0:
            raise ValueError("ImplicitPointHead: in_channels and positional_encoding_dims must not both be 0")
        self.in_channels = in_channels
        self.positional_encoding_gaussian_matrix: Tensor | None
        matrix = torch.randn(2, positional_encoding_dims // 2) if positional_encoding_dims else None
        self.register_buffer("positional_encoding_gaussian_matrix", matrix)
        widths = [in_channels + positional_encoding_dims, *[channels] * (num_layers - 1), num_classes]
        self.layer_shapes = list(zip(widths[1:], widths[:-1], strict=True))  # (outputs, inputs)
        self.num_weights = sum(outputs * inputs for outputs, inputs in self.layer_shapes)
        self.num_params = self.num_weights + sum(widths[1:])

    def forward(self, features: Tensor | None, point_coords: Tensor, parameters: Tensor) -> Tensor:
        """Return the logits of points.

        Args:
            features: Image features `(R, C, P)`, or None without image features.
            point_coords: `(R, P, 2)`, (x, y) in [0, 1] relative to the regions.
            parameters: `(R, num_params)`: the weights of all layers, then their biases.

        Returns:
            `(R, K, P)`.
        """
        inputs = []
        if self.positional_encoding_gaussian_matrix is not None:
            angles = 2 * math.pi * ((2 * point_coords - 1) @ self.positional_encoding_gaussian_matrix)
            inputs += [angles.sin().transpose(1, 2), angles.cos().transpose(1, 2)]  # (R, C, P)
        if features is not None:
            inputs.append(features)
        x = torch.cat(inputs, dim=1)
        start, start_of_bias = 0, self.num_weights
        for index, (outputs, width) in enumerate(self.layer_shapes):
            weight = parameters[:, start : start + outputs * width].unflatten(1, (outputs, width))
            bias = parameters[:, start_of_bias : start_of_bias + outputs]
            x = torch.baddbmm(bias[:, :, None], weight, x)
            if index < len(self.layer_shapes) - 1:
                x = F.relu(x)
            start, start_of_bias = start + outputs * width, start_of_bias + outputs
        return x


class ImplicitPointRendMaskHead(PointRendMaskHead):
    """Mask head that predicts the weights of an `ImplicitPointHead` for each region.

    Args:
        parameter_head: A `GridHead` with `point_head.num_params` outputs.
        point_head: An `ImplicitPointHead`.
        strides: Stride of each feature map in pixels.
        coarse_in_features: Names of the feature maps of the parameter head.
        point_in_features: Names of the feature maps of the points.
        coarse_grid_size: Side of the grid on which the features of the parameter head are sampled.
        train_num_points: Points per region in training, uniformly distributed.
        subdivision_steps: Number of times inference doubles the resolution of the first mask.
        subdivision_num_points: Points of the first mask, rounded down to a square, and points refined per step.
        parameter_regularizer: Factor of the squared weights in the loss.
    """

    def __init__(
        self,
        *,
        parameter_head: nn.Module,
        point_head: nn.Module,
        strides: Mapping[str, int],
        coarse_in_features: Sequence[str],
        point_in_features: Sequence[str],
        coarse_grid_size: int = 14,
        train_num_points: int = 196,
        subdivision_steps: int = 3,
        subdivision_num_points: int = 784,
        parameter_regularizer: float = 1e-5,
    ) -> None:
        super().__init__(
            coarse_head=None,
            point_head=point_head,
            strides=strides,
            coarse_in_features=coarse_in_features,
            point_in_features=point_in_features,
            coarse_grid_size=coarse_grid_size,
            train_num_points=train_num_points,
            subdivision_steps=subdivision_steps,
            subdivision_num_points=subdivision_num_points,
        )
        self.parameter_head: Any = parameter_head
        self.parameter_regularizer = parameter_regularizer

    def forward(
        self, features: Mapping[str, Tensor], instances: Sequence[Instances]
    ) -> dict[str, Tensor] | Sequence[Instances]:
        """Predict masks.

        Args:
            features: Feature maps of the batch by name.
            instances: Regions per image: foreground proposals in training, detections in inference.

        Returns:
            In training `loss_mask_point` and `loss_l2`; in inference `instances` with `pred_masks` `(R, 1, S, S)`.
        """
        boxes = [x.proposal_boxes if self.training else x.pred_boxes for x in instances]
        parameters = self.parameter_head(self._roi_pooler(features, boxes))
        if self.training:
            points, labels = self._uniform_sample_train_points(instances)
            logits = self._get_point_logits(features, boxes, points, parameters)
            loss = roi_mask_point_loss(logits, instances, labels)
            squared = parameters.square().mean() if parameters.numel() else parameters.sum()
            return {"loss_mask_point": loss, "loss_l2": self.parameter_regularizer * squared}
        classes = torch.cat([x.pred_classes for x in instances])
        masks = refine_by_subdivision(
            lambda points: class_channel(self._get_point_logits(features, boxes, points, parameters), classes),
            parameters,
            math.isqrt(self.subdivision_num_points),
            self.subdivision_steps,
            self.subdivision_num_points,
        )
        mask_rcnn_inference(masks, instances)
        return instances

    def _uniform_sample_train_points(self, instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        """Return random points `(R, P, 2)`, relative to the boxes, and their labels `(R, P)`."""
        regions = torch.cat([x.proposal_boxes.tensor for x in instances])
        with torch.no_grad():
            points = torch.rand(regions.shape[0], self.train_num_points, 2, device=regions.device)
            return points, sample_point_labels(instances, get_point_coords_wrt_image(regions, points))

    def _get_point_logits(
        self, features: Mapping[str, Tensor], boxes: Sequence[Boxes], points: Tensor, parameters: Tensor
    ) -> Tensor:
        """Return the logits `(R, K, P)` at points relative to the boxes."""
        fine = self._at(features, self.point_in_features, boxes, points) if self.point_head.in_channels else None
        return self.point_head(fine, points, parameters)
