"""Mask head of Mask R-CNN: masks of objects in regions."""

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
    """Return the channel of each region's class, `(R, …)`, from `(R, K, …)`, or the only channel from `(R, 1, …)`."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits[torch.arange(classes.shape[0], device=logits.device), classes]


def mask_rcnn_loss(pred_mask_logits: Tensor, instances: Sequence[Instances]) -> Tensor:
    """Return the mean binary cross-entropy of the masks predicted for the ground-truth classes.

    The ground-truth masks are cropped to the boxes of the regions and resized to `S` by `S`. Masks of other classes do
    not contribute, so that the classes do not compete.

    Args:
        pred_mask_logits: `(R, K, S, S)` logits of the regions of all images, or `(R, 1, S, S)` if class-agnostic.
        instances: For each image its foreground regions with `proposal_boxes`, `gt_classes` and `gt_masks`.

    Returns:
        A scalar; 0, connected to the graph, without regions.

    Source: He et al., "Mask R-CNN", 2017, section 3.
    """
    side = pred_mask_logits.shape[2]
    non_empty = [regions for regions in instances if len(regions) > 0]
    if not non_empty:
        return pred_mask_logits.sum() * 0
    if not all(regions.has("gt_masks") for regions in non_empty):
        raise ValueError(
            "mask_rcnn_loss: the targets have no gt_masks. Annotations need a 'segmentation' to train a mask head"
        )
    targets = torch.cat([r.gt_masks.crop_and_resize(r.proposal_boxes.tensor, side) for r in non_empty])
    targets = targets.to(pred_mask_logits.device)  # (R, S, S)
    logits = class_channel(pred_mask_logits, torch.cat([r.gt_classes for r in non_empty]))
    log_mask_stats(logits > 0, targets > 0.5)
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="mean")


def mask_rcnn_inference(pred_mask_logits: Tensor, pred_instances: Sequence[Instances]) -> None:
    """Set `pred_masks` of the detections, in place: `(R_i, 1, S, S)` probabilities for the predicted classes.

    Args:
        pred_mask_logits: `(R, K, S, S)` logits for the detections of all images, or `(R, 1, S, S)` if class-agnostic.
        pred_instances: For each image its detections with `pred_classes`.
    """
    classes = torch.cat([detections.pred_classes for detections in pred_instances])
    probabilities = class_channel(pred_mask_logits, classes).float().sigmoid().unsqueeze(1)
    per_image = probabilities.split([detections.pred_classes.shape[0] for detections in pred_instances])
    for masks, detections in zip(per_image, pred_instances, strict=True):
        detections.pred_masks = masks


class BaseMaskRCNNHead(nn.Module, metaclass=ABCMeta):
    """Loss and inference of a mask head; subclasses implement `layers`.

    Args:
        loss_weight: Factor of the loss.
        vis_period: Period, in iterations, of visualizing training masks; 0 for never. Used by the trainer.
    """

    def __init__(self, *, loss_weight: float = 1.0, vis_period: int = 0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.vis_period = vis_period

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Return the loss (training), or set the masks of the detections (inference).

        Args:
            x: Region features `(R, C, H, W)`.
            instances: The regions of each image: foreground proposals in training, detections in inference.

        Returns:
            `{"loss_mask": loss}` in training, otherwise `instances`, with `pred_masks`.
        """
        x = self.layers(x)
        if self.training:
            return {"loss_mask": mask_rcnn_loss(x, instances) * self.loss_weight}
        mask_rcnn_inference(x, instances)
        return instances

    @abstractmethod
    def layers(self, x: Tensor) -> Tensor:
        """Map region features to mask logits `(R, K, S, S)`, or `(R, 1, S, S)` if class-agnostic."""


class MaskRCNNConvUpsampleHead(BaseMaskRCNNHead):
    """3×3 convolutions, a deconvolution that doubles the resolution, and a 1×1 convolution to one mask per class.

    Args:
        input_shape: Channels of the region features.
        num_classes: Number of masks per region, `K`; 1 if class-agnostic.
        conv_dims: Output channels of each convolution; the last element belongs to the deconvolution.
        conv_norm: Norm after every convolution, as in `get_norm`. Without a norm, convolutions have a bias.
        kwargs: Further arguments of `BaseMaskRCNNHead`.

    Raises:
        ValueError: If `conv_dims` is empty.

    Source: He et al., "Mask R-CNN", 2017, Fig. 4.
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
        self._conv_names: list[str] = []
        for i, dim in enumerate(conv_dims[:-1], 1):
            norm = get_norm(conv_norm, dim)
            layer = Conv2d(channels, dim, 3, padding=1, bias=not conv_norm, norm=norm, activation=nn.ReLU(inplace=True))
            self.add_module(f"mask_fcn{i}", layer)
            self._conv_names.append(f"mask_fcn{i}")
            channels = dim
        self.deconv = nn.ConvTranspose2d(channels, conv_dims[-1], kernel_size=2, stride=2)
        self.predictor = nn.Conv2d(conv_dims[-1], num_classes, kernel_size=1)
        for name in (*self._conv_names, "deconv"):
            c2_msra_fill(getattr(self, name))
        init_predictor(self.predictor, std=0.001)

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Return the loss or set the masks; see `BaseMaskRCNNHead.forward`.

        In inference, only the masks of the predicted classes are computed.
        """
        overrides_layers = type(self).layers is not MaskRCNNConvUpsampleHead.layers
        if self.training or overrides_layers or self.predictor.out_channels == 1:
            return super().forward(x, instances)
        # The 1×1 convolution is linear per class: apply to each region only the filter of its predicted class.
        classes = torch.cat([detections.pred_classes for detections in instances])
        x = self._upsampled(x)  # (R, C, S, S)
        weight = self.predictor.weight[classes].flatten(1)  # (R, C)
        logits = torch.einsum("rchw,rc->rhw", x, weight)
        if self.predictor.bias is not None:
            logits = logits + self.predictor.bias[classes][:, None, None]
        mask_rcnn_inference(logits.unsqueeze(1), instances)
        return instances

    def layers(self, x: Tensor) -> Tensor:
        """Map region features `(R, C, H, W)` to mask logits `(R, num_classes, 2 * H, 2 * W)`."""
        return self.predictor(self._upsampled(x))

    def _upsampled(self, x: Tensor) -> Tensor:
        """Return the features before the last layer, `(R, conv_dims[-1], 2 * H, 2 * W)`."""
        x = fast_layout(x)
        for name in self._conv_names:
            x = getattr(self, name)(x)
        return F.relu_(self.deconv(x))
