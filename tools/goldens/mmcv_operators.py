"""Stand-in for the compiled operators of mmcv, computed by torchvision.

`install()` registers it as `mmcv._ext`, so that mmcv-lite, which has the Python part of all operators, runs on a CPU.
"""

import sys
from types import ModuleType
from typing import Any

import torch
import torchvision
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the kept boxes, in descending order of the scores."""
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, 1, 1])
    return torchvision.ops.nms(boxes, scores, iou_threshold)


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, *_: Any, **settings: Any) -> None:
    """Pool regions by averages."""
    size = (settings["aligned_height"], settings["aligned_width"])
    scale, ratio = settings["spatial_scale"], settings["sampling_ratio"]
    output.copy_(torchvision.ops.roi_align(input, rois, size, scale, ratio, settings["aligned"]))


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, *_: Any, **settings: Any
) -> None:
    """Convolve with offsets, and with offsets only."""
    stride, padding, dilation = ((settings[f"{name}H"], settings[f"{name}W"]) for name in ("d", "pad", "dilation"))
    result = torchvision.ops.deform_conv2d(input, offset, weight, None, stride, padding, dilation)
    output.copy_(result.reshape(output.shape))


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    *_: Any,
    **settings: Any,
) -> None:
    """Convolve with offsets and factors."""
    del ones
    stride, padding, dilation = (
        (settings[f"{name}_h"], settings[f"{name}_w"]) for name in ("stride", "pad", "dilation")
    )
    values = bias if settings["with_bias"] else None
    output.copy_(torchvision.ops.deform_conv2d(input, offset, weight, values, stride, padding, dilation, mask))


class _Missing:
    """An operator that the measured models do not use."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError(f"mmcv._ext.{self.name} has no stand-in")


class _Operators(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(name)


def install() -> None:
    """Register the operators as `mmcv._ext`."""
    module = _Operators("mmcv._ext")
    for function in (nms, roi_align_forward, deform_conv_forward, modulated_deform_conv_forward):
        setattr(module, function.__name__, function)
    sys.modules["mmcv._ext"] = module
    torch.set_num_threads(1)
