"""Convolutional heads of RetinaNet and FCOS, shared by all levels."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import BatchNorm2d, Conv2d, CycleBatchNormList, ShapeSpec, get_norm, init_predictor
from detectory.modeling.layers.norms import NormSpec


class RetinaNetHead(nn.Module):
    """Two towers of 3×3 convolutions, one for classification and one for box regression, shared by all levels.

    Args:
        input_shape: Shape of each level; all must have the same number of channels.
        num_classes: Number of classes, `K`.
        num_anchors: Anchors per cell, `A`.
        conv_dims: Output channels of the convolutions of a tower.
        norm: Norm after every convolution, as in `get_norm`. Batch norms have separate statistics for each level and a
            common affine transform.
        prior_prob: Predicted probability of each class at the start of training.
        conv_bias: Whether convolutions that a norm follows have a bias, as in Detectron2.

    Raises:
        ValueError: If an argument is invalid.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, section 4.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[ShapeSpec],
        num_classes: int,
        num_anchors: int,
        conv_dims: Sequence[int],
        norm: NormSpec = "",
        prior_prob: float = 0.01,
        conv_bias: bool = True,
    ) -> None:
        super().__init__()
        num_levels = len(input_shape)
        if len({shape.channels for shape in input_shape}) != 1:
            raise ValueError(
                f"{type(self).__name__}: all levels of input_shape must have the same number of channels,"
                f" got {list(input_shape)}"
            )
        if not conv_dims:
            raise ValueError(f"{type(self).__name__}: conv_dims must not be empty")
        if num_classes < 1 or not 0 < prior_prob < 1:
            raise ValueError(
                f"{type(self).__name__}: num_classes must be positive and prior_prob in (0, 1),"
                f" got {num_classes} and {prior_prob}"
            )
        self.num_classes = num_classes
        channels = input_shape[0].channels
        self.cls_subnet = self._tower(channels, conv_dims, norm, num_levels, conv_bias or not norm)
        self.bbox_subnet = self._tower(channels, conv_dims, norm, num_levels, conv_bias or not norm)
        self.cls_score = Conv2d(conv_dims[-1], num_anchors * num_classes, 3, padding=1)
        self.bbox_pred = Conv2d(conv_dims[-1], num_anchors * 4, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init_predictor(module, std=0.01)
        # Section 4.1, "Initialization": with an initial probability of 0.5, the loss of the many negatives would
        # dominate and destabilize the first iterations.
        prior_logit = -math.log((1 - prior_prob) / prior_prob)
        self.cls_score.bias = nn.Parameter(torch.full((num_anchors * num_classes,), prior_logit))

    @staticmethod
    def _tower(
        channels: int, conv_dims: Sequence[int], norm: NormSpec, num_levels: int, bias: bool = True
    ) -> nn.Sequential:
        """Return the convolutions, norms and activations of one tower."""
        layers: list[nn.Module] = []
        for dim in conv_dims:
            layers.append(Conv2d(channels, dim, 3, padding=1, bias=bias))
            if norm in ("BN", "SyncBN"):
                bn_class = BatchNorm2d if norm == "BN" else nn.SyncBatchNorm
                layers.append(CycleBatchNormList(num_levels, bn_class=bn_class, num_features=dim))
            else:
                layer = get_norm(norm, dim)
                layers += [layer] if layer is not None else []
            layers.append(nn.ReLU())
            channels = dim
        return nn.Sequential(*layers)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map each level `(B, C, H, W)` to logits `(B, A * K, H, W)` and deltas `(B, A * 4, H, W)`."""
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        deltas = [self.bbox_pred(self.bbox_subnet(x)) for x in features]
        return logits, deltas


class FCOSHead(RetinaNetHead):
    """`RetinaNetHead` with one location per cell and an additional centerness output of the regression tower.

    Args:
        input_shape: Shape of each level.
        conv_dims: Output channels of the convolutions of a tower.
        centerness_on: Tower that predicts the centerness, `"regression"` or `"classification"`.
        level_scales: Whether to multiply the deltas of each level by a learned factor.
        exponential: Whether to return the exponential of the deltas, which makes distances positive.
        kwargs: Further arguments of `RetinaNetHead`, except `num_anchors`.

    Raises:
        ValueError: If `centerness_on` is unknown.

    Source: Tian et al., "FCOS", 2019, Fig. 2.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[ShapeSpec],
        conv_dims: Sequence[int],
        centerness_on: str = "regression",
        level_scales: bool = False,
        exponential: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_shape=input_shape, conv_dims=conv_dims, num_anchors=1, **kwargs)
        if centerness_on not in ("regression", "classification"):
            raise ValueError(f"FCOSHead: centerness_on must be 'regression' or 'classification', got {centerness_on!r}")
        self.centerness_on = centerness_on
        self.exponential = exponential
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(())) for _ in input_shape if level_scales)
        self.ctrness = Conv2d(conv_dims[-1], 1, 3, padding=1)
        init_predictor(self.ctrness, std=0.01)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map each level to logits `(B, K, H, W)`, deltas `(B, 4, H, W)` and centerness logits `(B, 1, H, W)`."""
        class_features = [self.cls_subnet(x) for x in features]
        box_features = [self.bbox_subnet(x) for x in features]
        logits = [self.cls_score(x) for x in class_features]
        centerness_features = box_features if self.centerness_on == "regression" else class_features
        centerness = [self.ctrness(x) for x in centerness_features]
        return logits, self._deltas(box_features), centerness

    def _deltas(self, box_features: Sequence[Tensor]) -> list[Tensor]:
        deltas = [self.bbox_pred(x) for x in box_features]
        if len(self.scales):
            deltas = [x * scale for x, scale in zip(deltas, self.scales, strict=True)]
        return [x.float().exp() for x in deltas] if self.exponential else deltas
