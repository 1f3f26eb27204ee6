"""The keypoint branch of Mask R-CNN."""

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.layers import Conv2d, ShapeSpec, fast_layout
from detectory.structures import Instances, heatmaps_to_keypoints


def keypoint_rcnn_loss(
    pred_keypoint_logits: Tensor, instances: Sequence[Instances], normalizer: float | None
) -> Tensor:
    """Cross-entropy over the cells of each visible keypoint's heatmap.

    Args:
        pred_keypoint_logits: `(R, P, S, S)` of the regions of all images, `P` keypoints.
        instances: For every image its regions with `proposal_boxes` and `gt_keypoints`.
        normalizer: What the sum is divided by; `None` for the number of visible keypoints.

    Returns:
        A scalar; zero, with a graph, where no keypoint is visible.

    Source: He et al., "Mask R-CNN", 2017, section 5.
    """
    side = pred_keypoint_logits.shape[2]
    cells, valid = [], []
    for found in instances:
        if len(found) > 0:
            heat, seen = found.gt_keypoints.to_heatmap(found.proposal_boxes.tensor, side)
            cells.append(heat.reshape(-1))
            valid.append(seen.reshape(-1))
    seen_everywhere = torch.cat(valid) if valid else pred_keypoint_logits.new_zeros(0)
    rows = seen_everywhere.to(torch.bool).nonzero().squeeze(1)
    empty = rows.numel() == 0
    if has_event_storage():
        get_event_storage().put_scalar("kpts_num_skipped_batches", float(empty), smoothing_hint=False)
    if empty:
        return pred_keypoint_logits.sum() * 0
    logits = pred_keypoint_logits.reshape(-1, side * side)
    loss = F.cross_entropy(logits[rows], torch.cat(cells)[rows], reduction="sum")
    return loss / (rows.numel() if normalizer is None else normalizer)


def keypoint_rcnn_inference(pred_keypoint_logits: Tensor, pred_instances: Sequence[Instances]) -> None:
    """Set the detections' `pred_keypoints` `(R_i, P, 3)`, rows `(x, y, score)`, and `pred_keypoint_heatmaps`.

    While `torch.export` records only the heatmaps are set: each is enlarged to its own box's size, which its graphs
    cannot.

    Args:
        pred_keypoint_logits: `(R, P, S, S)` of the detections of all images.
        pred_instances: Detections with `pred_boxes`; changed in place.
    """
    logits = pred_keypoint_logits.detach()
    sizes = [found.pred_boxes.tensor.shape[0] for found in pred_instances]
    for found, heat in zip(pred_instances, logits.split(sizes), strict=True):
        found.pred_keypoint_heatmaps = heat
    if torch.compiler.is_exporting():
        return
    boxes = torch.cat([found.pred_boxes.tensor for found in pred_instances])
    points = heatmaps_to_keypoints(logits, boxes.detach())[:, :, [0, 1, 3]]
    for found, where in zip(pred_instances, points.split(sizes), strict=True):
        found.pred_keypoints = where


class BaseKeypointRCNNHead(nn.Module, metaclass=ABCMeta):
    """Loss and inference of a keypoint head; a subclass supplies `layers`.

    Args:
        num_keypoints: `P`.
        loss_weight: Factor of the loss.
        loss_normalizer: `"visible"` divides by the visible keypoints of the batch; a number is
            multiplied by the number of images and divides.
    """

    def __init__(self, *, num_keypoints: int, loss_weight: float = 1.0, loss_normalizer: float | str = 1.0) -> None:
        super().__init__()
        if isinstance(loss_normalizer, str) and loss_normalizer != "visible":
            raise ValueError(
                f"{type(self).__name__}: loss_normalizer must be 'visible' or a number, got {loss_normalizer!r}"
            )
        self.num_keypoints = num_keypoints
        self.loss_weight = loss_weight
        self.loss_normalizer = loss_normalizer

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Predict keypoints.

        Args:
            x: Region features `(R, C, H, W)`.
            instances: The regions: foreground proposals in training, detections in inference.

        Returns:
            `{"loss_keypoint": …}` in training, else `instances` with `pred_keypoints` set.
        """
        x = self.layers(x)
        if self.training:
            fixed = self.loss_normalizer
            normalizer = None if isinstance(fixed, str) else len(instances) * fixed
            return {"loss_keypoint": keypoint_rcnn_loss(x, instances, normalizer) * self.loss_weight}
        keypoint_rcnn_inference(x, instances)
        return instances

    @abstractmethod
    def layers(self, x: Tensor) -> Tensor:
        """Map region features to logits `(R, P, S, S)`."""


class KRCNNConvDeconvUpsampleHead(BaseKeypointRCNNHead):
    """3×3 convolutions, a deconvolution and a bilinear upsampling, each of the last two doubling the size.

    Args:
        input_shape: Channels of the region features.
        num_keypoints: `P`.
        conv_dims: Channels of each convolution.
        kwargs: Arguments of `BaseKeypointRCNNHead`.
    """

    def __init__(self, input_shape: ShapeSpec, *, num_keypoints: int, conv_dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(num_keypoints=num_keypoints, **kwargs)
        self.up_scale = 2
        channels = input_shape.channels
        self.convs: list[str] = []
        for i, dim in enumerate(conv_dims, 1):
            self.add_module(f"conv_fcn{i}", Conv2d(channels, dim, 3, padding=1, activation=nn.ReLU()))
            self.convs.append(f"conv_fcn{i}")
            channels = dim
        self.score_lowres = nn.ConvTranspose2d(channels, num_keypoints, 4, stride=2, padding=1)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")

    def layers(self, x: Tensor) -> Tensor:
        """Map `(R, C, H, W)` to logits `(R, P, 4 * H, 4 * W)`."""
        x = fast_layout(x)
        for name in self.convs:
            x = getattr(self, name)(x)
        x = self.score_lowres(x)
        return F.interpolate(x, scale_factor=self.up_scale, mode="bilinear", align_corners=False)
