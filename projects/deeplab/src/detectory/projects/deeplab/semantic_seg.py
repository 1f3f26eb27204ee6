"""Heads of DeepLabV3 and DeepLabV3+."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, cat, nn
from torch.nn import functional as F

from detectory.modeling.layers import (
    ASPP,
    Conv2d,
    DepthwiseSeparableConv2d,
    ShapeSpec,
    c2_xavier_fill,
    get_norm,
    init_predictor,
)

from .loss import DeepLabCE

__all__ = ["DeepLabV3Head", "DeepLabV3PlusHead"]


class _DeepLabHead(nn.Module):
    """Loss and upsampling shared by both heads."""

    def __init__(self, common_stride: int, loss_weight: float, loss_type: str, ignore_value: int) -> None:
        super().__init__()
        self.common_stride, self.loss_weight, self.ignore_value = common_stride, loss_weight, ignore_value
        fractions = {"cross_entropy": None, "hard_pixel_mining": 0.2}
        if loss_type not in fractions:
            raise ValueError(f"{type(self).__name__}: loss_type must be one of {list(fractions)}, got {loss_type!r}")
        self.loss_type = loss_type
        fraction = fractions[loss_type]
        self.loss: nn.Module = (
            nn.CrossEntropyLoss(ignore_index=ignore_value) if fraction is None else DeepLabCE(ignore_value, fraction)
        )

    @abstractmethod
    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the logits at the common stride."""

    def forward(
        self, features: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Return logits `(B, K, H', W')` (None in training) and losses (empty in inference).

        Args:
            features: Feature maps `(B, C, H, W)` by name.
            targets: Class ids `(B, H', W')` at the input resolution, required in training.
        """
        x = self.layers(features)
        if self.training:
            if targets is None:
                raise ValueError(f"{type(self).__name__}: targets are required in training")
            return None, self.losses(x, targets)
        return self._to_input_resolution(x), {}

    def losses(self, predictions: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return `loss_sem_seg` for logits at the common stride."""
        loss = self.loss(self._to_input_resolution(predictions.float()), targets.long())
        return {"loss_sem_seg": loss * self.loss_weight}

    def _to_input_resolution(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.common_stride, mode="bilinear", align_corners=False)


def _pool_size(name: str, train_size: Sequence[int] | None, stride: int) -> tuple[int, int] | None:
    """Return the pooling window that covers a training crop at a stride, or None if crops differ in size."""
    if train_size is None:
        return None
    if any(side % stride for side in train_size):
        raise ValueError(f"{name}: train_size must be divisible by the stride {stride}, got {tuple(train_size)}")
    height, width = (side // stride for side in train_size)
    return height, width


def _predictor(channels: int, num_classes: int) -> Conv2d:
    layer = Conv2d(channels, num_classes, kernel_size=1)
    init_predictor(layer, std=0.001)
    return layer


class DeepLabV3Head(_DeepLabHead):
    """Semantic segmentation by atrous spatial pyramid pooling of one feature map.

    Args:
        input_shape: Name and shape of the feature map.
        aspp_channels: Channels of each ASPP branch.
        aspp_dilations: The three dilations.
        aspp_dropout: Dropout rate in training.
        num_classes: `K`.
        common_stride: Stride of the feature map.
        norm: Norm after every convolution.
        train_size: `(height, width)` of training crops, the window of the image pooling branch.
        loss_weight: Weight of the loss.
        loss_type: `"cross_entropy"` or `"hard_pixel_mining"` (hardest 20 % of the pixels).
        ignore_value: Label of ignored pixels.
        use_depthwise_separable_conv: Use depthwise separable 3×3 convolutions.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        aspp_channels: int,
        aspp_dilations: Sequence[int],
        aspp_dropout: float,
        num_classes: int,
        common_stride: int,
        norm: Any,
        train_size: Sequence[int] | None = None,
        loss_weight: float = 1.0,
        loss_type: str = "cross_entropy",
        ignore_value: int = -1,
        use_depthwise_separable_conv: bool = False,
    ) -> None:
        super().__init__(common_stride, loss_weight, loss_type, ignore_value)
        if len(input_shape) != 1:
            raise ValueError(f"DeepLabV3Head: input_shape must contain one feature map, got {list(input_shape)}")
        self.in_features = list(input_shape)
        self.aspp = ASPP(
            input_shape[self.in_features[0]].channels,
            aspp_channels,
            aspp_dilations,
            norm=norm,
            activation=F.relu,
            pool_kernel_size=_pool_size("DeepLabV3Head", train_size, common_stride),
            dropout=aspp_dropout,
            use_depthwise_separable_conv=use_depthwise_separable_conv,
        )
        self.predictor = _predictor(aspp_channels, num_classes)

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits `(B, K, H, W)` at the stride of the feature map."""
        return self.predictor(self.aspp(features[self.in_features[0]]))


class DeepLabV3PlusHead(_DeepLabHead):
    """Semantic segmentation by ASPP of the coarsest feature map and a decoder with the finer ones.

    Args:
        input_shape: Name and shape of every feature map.
        project_channels: Projected channels of each feature map except the coarsest, finest first.
        aspp_dilations: The three dilations.
        aspp_dropout: Dropout rate in training.
        decoder_channels: Decoder channels per feature map, finest first; the last entry is the ASPP channels.
        common_stride: Stride of the finest feature map.
        norm: Norm after every convolution; with `""` convolutions have a bias.
        train_size: `(height, width)` of training crops, the window of the image pooling branch.
        loss_weight: Weight of the loss.
        loss_type: `"cross_entropy"` or `"hard_pixel_mining"` (hardest 20 % of the pixels).
        ignore_value: Label of ignored pixels.
        num_classes: `K`; None to return the decoder features instead of logits.
        use_depthwise_separable_conv: Use depthwise separable convolutions.

    Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution", 2018.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        project_channels: Sequence[int],
        aspp_dilations: Sequence[int],
        aspp_dropout: float,
        decoder_channels: Sequence[int],
        common_stride: int,
        norm: Any,
        train_size: Sequence[int] | None = None,
        loss_weight: float = 1.0,
        loss_type: str = "cross_entropy",
        ignore_value: int = -1,
        num_classes: int | None = None,
        use_depthwise_separable_conv: bool = False,
    ) -> None:
        super().__init__(common_stride, loss_weight, loss_type, ignore_value)
        self.in_features = sorted(input_shape, key=lambda name: input_shape[name].stride)
        counts = len(project_channels) + 1, len(decoder_channels)
        if counts != (len(input_shape),) * 2:
            raise ValueError(
                f"DeepLabV3PlusHead: {len(input_shape)} feature maps need {len(input_shape) - 1} project_channels and "
                f"{len(input_shape)} decoder_channels, "
                f"got {list(project_channels)} and {list(decoder_channels)}"
            )
        self.decoder_only = num_classes is None
        coarsest = input_shape[self.in_features[-1]]
        projections: list[nn.Module] = [
            _convolution(input_shape[name].channels, channels, 1, norm)
            for name, channels in zip(self.in_features, project_channels, strict=False)
        ]
        projections.append(
            ASPP(
                coarsest.channels,
                decoder_channels[-1],
                aspp_dilations,
                norm=norm,
                activation=F.relu,
                pool_kernel_size=_pool_size("DeepLabV3PlusHead", train_size, coarsest.stride),
                dropout=aspp_dropout,
                use_depthwise_separable_conv=use_depthwise_separable_conv,
            )
        )
        fusions: list[nn.Module | None] = [
            _fusion(projected + coarser, channels, norm, use_depthwise_separable_conv)
            for projected, coarser, channels in zip(
                project_channels, decoder_channels[1:], decoder_channels, strict=False
            )
        ]
        self.decoder = nn.ModuleDict()
        for name, projection, fusion in zip(self.in_features, projections, [*fusions, None], strict=True):
            stage: Any = {"project_conv": projection} | ({} if fusion is None else {"fuse_conv": fusion})
            self.decoder[name] = nn.ModuleDict(stage)
        if num_classes is not None:
            self.predictor = _predictor(decoder_channels[0], num_classes)

    def forward(self, features: Mapping[str, Tensor], targets: Tensor | None = None) -> Any:
        """Return logits and losses, or only the decoder features if `num_classes` is None."""
        return self.layers(features) if self.decoder_only else super().forward(features, targets)

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits `(B, K, H, W)`, or the decoder features, at the common stride."""
        *finer, coarsest = self.in_features
        y = self.decoder[coarsest]["project_conv"](features[coarsest])  # type: ignore[index]
        for name in reversed(finer):
            stage: Any = self.decoder[name]
            x = stage["project_conv"](features[name])
            y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
            y = stage["fuse_conv"](cat([x, y], dim=1))
        return y if self.decoder_only else self.predictor(y)


def _convolution(in_channels: int, out_channels: int, size: int, norm: Any) -> Conv2d:
    layer = Conv2d(
        in_channels,
        out_channels,
        size,
        padding=size // 2,
        bias=norm == "",
        norm=get_norm(norm, out_channels),
        activation=F.relu,
    )
    c2_xavier_fill(layer)
    return layer


def _fusion(in_channels: int, out_channels: int, norm: Any, depthwise: bool) -> nn.Module:
    if depthwise:
        # One 5×5 depthwise separable convolution has the receptive field of two 3×3 convolutions.
        return DepthwiseSeparableConv2d(
            in_channels, out_channels, 5, 2, norm1=norm, activation1=F.relu, norm2=norm, activation2=F.relu
        )
    return nn.Sequential(
        _convolution(in_channels, out_channels, 3, norm), _convolution(out_channels, out_channels, 3, norm)
    )
