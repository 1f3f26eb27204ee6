"""Semantic segmentation on a feature pyramid."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import Conv2d, ShapeSpec, c2_msra_fill, get_norm
from detectory.modeling.layers.norms import NormSpec
from detectory.modeling.postprocessing import sem_seg_postprocess

from .image_input import ImageNormalizer, ModelInput, output_size


class SemanticSegmentor(ImageNormalizer):
    """A backbone and a head that gives every pixel a class.

    Args:
        backbone: Maps images to feature maps.
        sem_seg_head: Maps feature maps, and in training labels, to logits and losses, as `SemSegFPNHead`.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        sem_seg_head: Any,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.sem_seg_head: Any = sem_seg_head

    def forward(self, batched_inputs: ModelInput) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or segment, a batch.

        Args:
            batched_inputs: One dictionary an image: `"image"` `(C, H, W)`; `"sem_seg"` `(H, W)` of class
                ids in training; `"height"` and `"width"` of the wanted result.

        Returns:
            Losses by name in training; else for every image `{"sem_seg": logits (K, height, width)}`.
        """
        images = self.preprocess_image(batched_inputs)
        targets = None
        if "sem_seg" in batched_inputs[0]:
            labels = [item["sem_seg"].to(self.device) for item in batched_inputs]
            targets = self._batch(labels, pad_value=self.sem_seg_head.ignore_value).tensor
        results, losses = self.sem_seg_head(self.backbone(images.tensor), targets)
        if self.training:
            return losses
        return [
            {"sem_seg": sem_seg_postprocess(result, size, *output_size(item, size))}
            for result, item, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]


class SemSegFPNHead(nn.Module):
    """Bring every level to one resolution by convolutions and doublings, add them up, classify each cell.

    Args:
        input_shape: Channels and stride of every level by name.
        num_classes: `K`.
        conv_dims: Channels of every convolution.
        common_stride: Stride at which the levels meet.
        loss_weight: Factor of the loss.
        norm: Norm behind every convolution, as `get_norm` takes it; without one they have a bias.
        ignore_value: Label of pixels that the loss does not look at.

    Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019, figure 3.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        num_classes: int,
        conv_dims: int,
        common_stride: int,
        loss_weight: float = 1.0,
        norm: NormSpec = None,
        ignore_value: int = -1,
    ) -> None:
        super().__init__()
        if not input_shape:
            raise ValueError("SemSegFPNHead: input_shape must not be empty")
        self.in_features = sorted(input_shape, key=lambda name: input_shape[name].stride)
        self.ignore_value = ignore_value
        self.common_stride = common_stride
        self.loss_weight = loss_weight
        for name in self.in_features:
            self.add_module(name, self._ladder(input_shape[name], conv_dims, norm))
        self.predictor = Conv2d(conv_dims, num_classes, kernel_size=1)
        c2_msra_fill(self.predictor)

    def _ladder(self, shape: ShapeSpec, conv_dims: int, norm: NormSpec) -> nn.Sequential:
        """Return the steps of one level: convolution and doubling until the common stride is reached."""
        doublings = int(math.log2(shape.stride) - math.log2(self.common_stride))
        steps: list[nn.Module] = []
        channels = shape.channels
        for _ in range(max(1, doublings)):
            layer = Conv2d(
                channels,
                conv_dims,
                3,
                padding=1,
                bias=not norm,
                norm=get_norm(norm, conv_dims),
                activation=nn.ReLU(),
            )
            c2_msra_fill(layer)
            steps.append(layer)
            if shape.stride != self.common_stride:
                steps.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            channels = conv_dims
        return nn.Sequential(*steps)

    def forward(
        self, features: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Classify every pixel.

        Args:
            features: Maps `(B, C, H, W)` by name.
            targets: Class ids `(B, H', W')` of the input's resolution, needed in training.

        Returns:
            Logits `(B, K, H', W')` (`None` in training) and losses (empty in inference).
        """
        x = self.layers(features)
        if self.training:
            if targets is None:
                raise ValueError("SemSegFPNHead: targets are needed in training")
            return None, self.losses(x, targets)
        return self._to_input_resolution(x), {}

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits `(B, K, H, W)` at the common stride."""
        x = getattr(self, self.in_features[0])(features[self.in_features[0]])
        for name in self.in_features[1:]:
            x = x + getattr(self, name)(features[name])
        return self.predictor(x)

    def losses(self, predictions: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return `loss_sem_seg`, the mean cross-entropy of all pixels that are not ignored."""
        logits = self._to_input_resolution(predictions.float())
        loss = F.cross_entropy(logits, targets.long(), reduction="mean", ignore_index=self.ignore_value)
        return {"loss_sem_seg": loss * self.loss_weight}

    def _to_input_resolution(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.common_stride, mode="bilinear", align_corners=False)
