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
from detectory.structures import ModelInput, ModelOutput

from .image_input import ImageNormalizer, output_size


class SemanticSegmentor(ImageNormalizer):
    """Semantic segmentation: a backbone and a head that classifies every pixel.

    Args:
        backbone: Maps images to feature maps.
        sem_seg_head: Maps feature maps, and labels in training, to logits and losses, like `SemSegFPNHead`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
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

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or class logits (inference) of a batch.

        Args:
            batched_inputs: One dictionary per image: `"image"` `(C, H, W)`; `"sem_seg"`, `(H, W)` class ids, in
                training; optionally `"height"` and `"width"` of the output.

        Returns:
            In training, the losses by name. In inference, `{"sem_seg": logits}` for each image, `(K, height, width)`.
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
    """Semantic head of Panoptic FPN: upsamples all levels to a common stride, adds them and classifies each cell.

    Args:
        input_shape: Channels and stride of each level by name.
        num_classes: Number of classes, `K`.
        conv_dims: Output channels of every convolution.
        common_stride: Stride of the logits before the final upsampling.
        loss_weight: Factor of the loss.
        norm: Norm after every convolution, as in `get_norm`. Without a norm, convolutions have a bias.
        ignore_value: Label of pixels without a loss.

    Raises:
        ValueError: If `input_shape` is empty.

    Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019, Fig. 3.
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
        self.num_classes = num_classes
        self.ignore_value = ignore_value
        self.common_stride = common_stride
        self.loss_weight = loss_weight
        for name in self.in_features:
            self.add_module(name, self._ladder(input_shape[name], conv_dims, norm))
        self.predictor = Conv2d(conv_dims, num_classes, kernel_size=1)
        c2_msra_fill(self.predictor)

    def _ladder(self, shape: ShapeSpec, conv_dims: int, norm: NormSpec) -> nn.Sequential:
        """Return the layers of one level: a convolution and an upsampling by 2 for each halving of the stride."""
        num_doublings = int(math.log2(shape.stride) - math.log2(self.common_stride))
        layers: list[nn.Module] = []
        channels = shape.channels
        for _ in range(max(1, num_doublings)):
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
            layers.append(layer)
            if shape.stride != self.common_stride:
                layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            channels = conv_dims
        return nn.Sequential(*layers)

    def forward(
        self, features: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Return the losses (training) or logits (inference).

        Args:
            features: Feature maps `(B, C, H, W)` by name.
            targets: Class ids `(B, H', W')` in the resolution of the model input; required in training.

        Returns:
            The logits `(B, K, H', W')`, `None` in training; and the losses, empty in inference.

        Raises:
            ValueError: If `targets` are missing in training.
        """
        x = self.layers(features)
        if self.training:
            if targets is None:
                raise ValueError("SemSegFPNHead: targets are required in training")
            return None, self.losses(x, targets)
        return self._to_input_resolution(x), {}

    def layers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the logits `(B, K, H, W)` at the common stride."""
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
        """Upsample logits at the common stride to the resolution of the model input."""
        return F.interpolate(x, scale_factor=self.common_stride, mode="bilinear", align_corners=False)
