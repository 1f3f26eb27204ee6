"""The mask branch of Mask R-CNN."""

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, ShapeSpec, c2_msra_fill, fast_layout, get_norm, init_predictor
from detectory.modeling.layers.norms import NormSpec
from detectory.structures import Instances

from .training_statistics import log_mask_stats


def class_channel(logits: Tensor, classes: Tensor) -> Tensor:
    """Return from `(R, K or 1, ...)` the channel of each region's class, `(R, ...)`."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits[torch.arange(classes.shape[0], device=logits.device), classes]


def mask_rcnn_loss(pred_mask_logits: Tensor, instances: Sequence[Instances]) -> Tensor:
    """Mean binary cross-entropy between each region's mask of its own class and the ground truth inside its box.

    Args:
        pred_mask_logits: `(R, K, M, M)` of the regions of all images, or one channel if class-agnostic.
        instances: For every image its foreground regions with `proposal_boxes`, `gt_classes` and `gt_masks`.

    Returns:
        A scalar; zero, with a graph, where there is no region.

    Source: He et al., "Mask R-CNN", 2017, section 3.
    """
    side = pred_mask_logits.shape[2]
    filled = [found for found in instances if len(found) > 0]
    if not filled:
        return pred_mask_logits.sum() * 0
    truth = torch.cat([f.gt_masks.crop_and_resize(f.proposal_boxes.tensor, side) for f in filled])
    truth = truth.to(pred_mask_logits.device)  # (R, M, M)
    logits = class_channel(pred_mask_logits, torch.cat([f.gt_classes for f in filled]))
    log_mask_stats(logits > 0, truth > 0.5)
    return F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="mean")


def mask_rcnn_inference(pred_mask_logits: Tensor, pred_instances: Sequence[Instances]) -> None:
    """Set `pred_masks`, probabilities `(R_i, 1, M, M)` for each detection's own class, on every image's detections.

    Args:
        pred_mask_logits: `(R, K, M, M)` of the detections of all images, or one channel if class-agnostic.
        pred_instances: Detections with `pred_classes`; changed in place.
    """
    classes = torch.cat([found.pred_classes for found in pred_instances])
    probabilities = class_channel(pred_mask_logits, classes).float().sigmoid().unsqueeze(1)
    parts = probabilities.split([found.pred_classes.shape[0] for found in pred_instances])
    for masks, found in zip(parts, pred_instances, strict=True):
        found.pred_masks = masks


class BaseMaskRCNNHead(nn.Module, metaclass=ABCMeta):
    """Loss and inference of a mask head; a subclass supplies `layers`.

    Args:
        loss_weight: Factor of the loss.
        vis_period: Iterations from one picture of training masks to the next, 0 for none; kept for the trainer.
    """

    def __init__(self, *, loss_weight: float = 1.0, vis_period: int = 0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.vis_period = vis_period

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Predict masks.

        Args:
            x: Region features.
            instances: The regions: foreground proposals in training, detections in inference.

        Returns:
            `{"loss_mask": …}` in training, else `instances` with `pred_masks` set.
        """
        x = self.layers(x)
        if self.training:
            return {"loss_mask": mask_rcnn_loss(x, instances) * self.loss_weight}
        mask_rcnn_inference(x, instances)
        return instances

    @abstractmethod
    def layers(self, x: Tensor) -> Tensor:
        """Map region features to logits `(R, K or 1, M, M)`."""


class MaskRCNNConvUpsampleHead(BaseMaskRCNNHead):
    """3×3 convolutions, a deconvolution that doubles the size, and a 1×1 convolution to one mask a class.

    Args:
        input_shape: Channels of the region features.
        num_classes: Masks of a region; 1 if class-agnostic.
        conv_dims: Channels of each convolution, the last of the deconvolution.
        conv_norm: Norm behind every convolution, as `get_norm` takes it; without one they have a bias.
        kwargs: Arguments of `BaseMaskRCNNHead`.

    Source: He et al., "Mask R-CNN", 2017, figure 4.
    """

    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        num_classes: int,
        conv_dims: Sequence[int],
        conv_norm: NormSpec = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not conv_dims:
            raise ValueError("MaskRCNNConvUpsampleHead: conv_dims must not be empty")
        channels = input_shape.channels
        self.conv_norm_relus: list[str] = []
        for i, dim in enumerate(conv_dims[:-1], 1):
            norm = get_norm(conv_norm, dim)
            layer = Conv2d(channels, dim, 3, padding=1, bias=not conv_norm, norm=norm, activation=nn.ReLU(inplace=True))
            self.add_module(f"mask_fcn{i}", layer)
            self.conv_norm_relus.append(f"mask_fcn{i}")
            channels = dim
        self.deconv = nn.ConvTranspose2d(channels, conv_dims[-1], kernel_size=2, stride=2)
        self.predictor = nn.Conv2d(conv_dims[-1], num_classes, kernel_size=1)
        for name in (*self.conv_norm_relus, "deconv"):
            c2_msra_fill(getattr(self, name))
        init_predictor(self.predictor, std=0.001)

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """See `BaseMaskRCNNHead.forward`; inference computes only the masks of the predicted classes."""
        own_layers = type(self).layers is MaskRCNNConvUpsampleHead.layers
        if self.training or not own_layers or self.predictor.out_channels == 1:
            return super().forward(x, instances)
        classes = torch.cat([found.pred_classes for found in instances])
        x = self._upsampled(x)  # (R, C, M, M)
        weight = self.predictor.weight[classes].flatten(1)  # (R, C)
        logits = torch.einsum("rchw,rc->rhw", x, weight)
        if self.predictor.bias is not None:
            logits = logits + self.predictor.bias[classes][:, None, None]
        mask_rcnn_inference(logits.unsqueeze(1), instances)
        return instances

    def layers(self, x: Tensor) -> Tensor:
        """Map `(R, C, H, W)` to logits `(R, num_classes, 2 * H, 2 * W)`."""
        return self.predictor(self._upsampled(x))

    def _upsampled(self, x: Tensor) -> Tensor:
        x = fast_layout(x)
        for name in self.conv_norm_relus:
            x = getattr(self, name)(x)
        return F.relu_(self.deconv(x))
