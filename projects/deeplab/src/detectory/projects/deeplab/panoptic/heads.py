"""Heads of Panoptic-DeepLab: semantic classes, and centers and offsets of instances.

Source: Cheng et al., "Panoptic-DeepLab", CVPR 2020, section 3.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import (
    Conv2d,
    DepthwiseSeparableConv2d,
    ShapeSpec,
    c2_xavier_fill,
    get_norm,
    init_predictor,
)
from detectory.projects.deeplab.loss import DeepLabCE
from detectory.projects.deeplab.semantic_seg import DeepLabV3PlusHead

__all__ = ["PanopticDeepLabInsEmbedHead", "PanopticDeepLabSemSegHead"]


class PanopticDeepLabSemSegHead(DeepLabV3PlusHead):
    """DeepLabV3+ with two more convolutions and a weight for each pixel in the loss.

    Args:
        input_shape: Name and shape of every feature map.
        decoder_channels: Decoder channels per feature map, finest first; the last entry is the ASPP channels.
        head_channels: Channels of the last feature map before the predictor.
        num_classes: `K`.
        norm: Norm after every convolution; with `""` convolutions have a bias.
        loss_type: `"cross_entropy"`, without weights, or `"hard_pixel_mining"`.
        loss_top_k: Fraction of the pixels with the highest loss, for `"hard_pixel_mining"`.
        use_depthwise_separable_conv: Use depthwise separable convolutions.
        kwargs: Further arguments of `DeepLabV3PlusHead`.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        decoder_channels: Sequence[int],
        head_channels: int,
        num_classes: int,
        norm: Any,
        loss_type: str = "hard_pixel_mining",
        loss_top_k: float = 0.2,
        use_depthwise_separable_conv: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape,
            decoder_channels=decoder_channels,
            norm=norm,
            loss_type=loss_type,
            num_classes=None,
            use_depthwise_separable_conv=use_depthwise_separable_conv,
            **kwargs,
        )
        if loss_type == "hard_pixel_mining":
            self.loss = DeepLabCE(self.ignore_value, loss_top_k)
        self.head = _head(decoder_channels[0], head_channels, norm, use_depthwise_separable_conv)
        self.predictor = _predictor(head_channels, num_classes)

    def forward(
        self, features: Mapping[str, Tensor], targets: Tensor | None = None, weights: Tensor | None = None
    ) -> Any:
        """Return the losses (training) or logits (inference).

        Args:
            features: Feature maps `(B, C, H, W)` by name.
            targets: Class ids `(B, H', W')` in the resolution of the model input; required in training.
            weights: Weight of each pixel in the loss, `(B, H', W')`.

        Returns:
            The logits `(B, K, H', W')`, None in training; and the losses, empty in inference.

        Raises:
            ValueError: If `targets` are missing in training.
        """
        x = self.layers(features)
        if not self.training:
            return self._to_input_resolution(x), {}
        if targets is None:
            raise ValueError("PanopticDeepLabSemSegHead: targets are required in training")
        return None, self.losses(x, targets, weights)

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the logits `(B, K, H, W)` at the common stride."""
        return self.predictor(self.head(super().layers(features)))

    def losses(self, predictions: Tensor, targets: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Return `loss_sem_seg` for logits at the common stride."""
        logits = self._to_input_resolution(predictions.float())
        extra = (weights,) if isinstance(self.loss, DeepLabCE) else ()
        return {"loss_sem_seg": self.loss(logits, targets.long(), *extra) * self.loss_weight}


class PanopticDeepLabInsEmbedHead(DeepLabV3PlusHead):
    """Predicts a heat map of the centers of instances, and the offset of every pixel to its center.

    Args:
        input_shape: Name and shape of every feature map.
        decoder_channels: Decoder channels per feature map, finest first; the last entry is the ASPP channels.
        head_channels: Channels of the last feature maps before the predictors.
        norm: Norm after every convolution; with `""` convolutions have a bias.
        center_loss_weight: Factor of the loss of the heat map.
        offset_loss_weight: Factor of the loss of the offsets.
        use_depthwise_separable_conv: Use depthwise separable convolutions, except for the heat map.
        kwargs: Further arguments of `DeepLabV3PlusHead`.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        decoder_channels: Sequence[int],
        head_channels: int,
        norm: Any,
        center_loss_weight: float = 200.0,
        offset_loss_weight: float = 0.01,
        use_depthwise_separable_conv: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape,
            decoder_channels=decoder_channels,
            norm=norm,
            num_classes=None,
            use_depthwise_separable_conv=use_depthwise_separable_conv,
            **kwargs,
        )
        self.center_loss_weight, self.offset_loss_weight = center_loss_weight, offset_loss_weight
        self.center_head = _head(decoder_channels[0], head_channels, norm, depthwise=False)
        self.center_predictor = _predictor(head_channels, 1)
        self.offset_head = _head(decoder_channels[0], head_channels, norm, use_depthwise_separable_conv)
        self.offset_predictor = _predictor(head_channels, 2)

    def forward(
        self,
        features: Mapping[str, Tensor],
        center_targets: Tensor | None = None,
        center_weights: Tensor | None = None,
        offset_targets: Tensor | None = None,
        offset_weights: Tensor | None = None,
    ) -> Any:
        """Return the losses (training) or predictions (inference).

        Args:
            features: Feature maps `(B, C, H, W)` by name.
            center_targets: Heat maps `(B, 1, H', W')` in the resolution of the model input.
            center_weights: `(B, 1, H', W')`.
            offset_targets: `(B, 2, H', W')`, pixels, y first.
            offset_weights: `(B, 1, H', W')`.

        Returns:
            In inference the heat maps `(B, 1, H', W')`, the offsets `(B, 2, H', W')` and two empty dictionaries; in
            training None for both predictions, and `loss_center` and `loss_offset` in one dictionary each.

        Raises:
            ValueError: If targets are missing in training.
        """
        center, offset = (self._to_input_resolution(x.float()) for x in self.layers(features))
        offset = offset * self.common_stride
        if not self.training:
            return center, offset, {}, {}
        if center_targets is None or center_weights is None or offset_targets is None or offset_weights is None:
            raise ValueError("PanopticDeepLabInsEmbedHead: targets are required in training")
        center_loss = _weighted_mean((center - center_targets).square(), center_weights)
        offset_loss = _weighted_mean((offset - offset_targets).abs(), offset_weights)
        return (
            None,
            None,
            {"loss_center": center_loss * self.center_loss_weight},
            {"loss_offset": offset_loss * self.offset_loss_weight},
        )

    def layers(self, features: Mapping[str, Tensor]) -> Any:
        """Return the heat map `(B, 1, H, W)` and the offsets `(B, 2, H, W)`, in cells, at the common stride."""
        y = super().layers(features)
        return self.center_predictor(self.center_head(y)), self.offset_predictor(self.offset_head(y))


def _weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum over the sum of the weights; 0, connected to the graph, if all weights are 0."""
    total = weights.sum()
    return (losses * weights).sum() / total.where(total > 0, total.new_ones(()))


def _head(in_channels: int, out_channels: int, norm: Any, depthwise: bool) -> nn.Module:
    if depthwise:
        # One 5×5 depthwise separable convolution has the receptive field of two 3×3 convolutions.
        return DepthwiseSeparableConv2d(
            in_channels, out_channels, 5, 2, norm1=norm, activation1=F.relu, norm2=norm, activation2=F.relu
        )
    return nn.Sequential(_convolution(in_channels, in_channels, norm), _convolution(in_channels, out_channels, norm))


def _convolution(in_channels: int, out_channels: int, norm: Any) -> Conv2d:
    layer = Conv2d(
        in_channels,
        out_channels,
        3,
        padding=1,
        bias=norm == "",
        norm=get_norm(norm, out_channels),
        activation=F.relu,
    )
    c2_xavier_fill(layer)
    return layer


def _predictor(in_channels: int, out_channels: int) -> Conv2d:
    layer = Conv2d(in_channels, out_channels, kernel_size=1)
    init_predictor(layer, std=0.001)
    return layer
