"""Parts in which torchvision's detectors differ from the parts of `detectory.modeling`."""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.compat.legacy.masks import PaddedWholePixelMasks, paste_by
from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import BatchNorm2d, FrozenBatchNorm2d, c2_xavier_fill
from detectory.modeling.roi_heads import FastRCNNOutputLayers, StandardROIHeads
from detectory.modeling.roi_heads.box_inference import detect_each, select_detections
from detectory.ops import batched_nms
from detectory.structures import Boxes

#: Minimum width and height of a detection at the resolution of the model, in pixels.
_MIN_DETECTION = 1e-2


def frozen_batch_norm(eps: float) -> Callable[[int], nn.Module]:
    """Return a function that builds a frozen batch norm of a number of channels, for configs."""
    return functools.partial(FrozenBatchNorm2d, eps=eps)


def batch_norm(eps: float, momentum: float) -> Callable[[int], nn.Module]:
    """Return a function that builds a batch norm of a number of channels, for configs."""
    return functools.partial(BatchNorm2d, eps=eps, momentum=momentum)


class TorchvisionBoxOutput(FastRCNNOutputLayers):
    """`FastRCNNOutputLayers` that removes detections of almost no width or height before the NMS.

    Takes the arguments of `FastRCNNOutputLayers`.
    """

    _inference = staticmethod(
        functools.partial(
            detect_each,
            functools.partial(select_detections, box_class=Boxes, nms=batched_nms, min_box_size=_MIN_DETECTION),
        )
    )


class TorchvisionROIHeads(StandardROIHeads):
    """`StandardROIHeads` with masks that are pasted into boxes of whole pixels, as in Detectron.

    Args:
        kwargs: As for `StandardROIHeads`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.mask_on:
            paste_by(self, PaddedWholePixelMasks)


class SameStrideFPN(Backbone):
    """Feature pyramid of backbone outputs that have the same stride, as on torchvision's MobileNetV3.

    The outputs are `"p0"`, `"p1"`, … for the outputs of the backbone, and `"pool"`, every second cell of the last one.

    Args:
        bottom_up: The backbone. All its outputs are used.
        out_channels: Channels of every output.

    Raises:
        ValueError: If the strides differ.
    """

    def __init__(self, bottom_up: Backbone, out_channels: int = 256) -> None:
        super().__init__()
        shapes = bottom_up.output_shape()
        strides = {shape.stride for shape in shapes.values()}
        if len(strides) != 1:
            raise ValueError(f"SameStrideFPN: all outputs of bottom_up must have the same stride, got {strides}")
        stride = strides.pop() or 1
        self.bottom_up = bottom_up
        self.laterals = nn.ModuleList(nn.Conv2d(s.channels or 0, out_channels, 1) for s in shapes.values())
        self.outputs = nn.ModuleList(nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in shapes)
        for layer in (*self.laterals, *self.outputs):
            c2_xavier_fill(layer)
        self._divisor = stride
        self._out_feature_strides = {f"p{i}": stride for i in range(len(shapes))} | {"pool": 2 * stride}
        self._out_features = list(self._out_feature_strides)
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

    @property
    def size_divisibility(self) -> int:
        """The stride of the outputs."""
        return self._divisor

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        features = list(self.bottom_up(x).values())
        merged = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        for i in reversed(range(len(merged) - 1)):
            merged[i] = merged[i] + merged[i + 1]
        outputs = [layer(feature) for layer, feature in zip(self.outputs, merged, strict=True)]
        pooled = F.max_pool2d(outputs[-1], kernel_size=1, stride=2)
        return dict(zip(self._out_features, [*outputs, pooled], strict=True))
