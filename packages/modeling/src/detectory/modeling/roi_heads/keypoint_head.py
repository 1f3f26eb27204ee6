"""Keypoint head of Mask R-CNN: heatmaps of keypoints in regions."""

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
    """Return the cross-entropy of the heatmap cells of all visible keypoints.

    Each heatmap is a classification over its `S * S` cells, with the cell of the keypoint as the only correct class.

    Args:
        pred_keypoint_logits: `(R, P, S, S)` heatmap logits of `P` keypoints for the regions of all images.
        instances: For each image its regions with `proposal_boxes` and `gt_keypoints`.
        normalizer: Divisor of the summed loss; `None` for the number of visible keypoints.

    Returns:
        A scalar; 0, connected to the graph, if no keypoint is visible.

    Source: He et al., "Mask R-CNN", 2017, section 5.
    """
    side = pred_keypoint_logits.shape[2]
    cells, valid = [], []
    for regions in instances:
        if len(regions) > 0:
            target_cells, is_valid = regions.gt_keypoints.to_heatmap(regions.proposal_boxes.tensor, side)
            cells.append(target_cells.reshape(-1))
            valid.append(is_valid.reshape(-1))
    # Keypoints that are not annotated or are outside their region do not contribute.
    all_valid = torch.cat(valid) if valid else pred_keypoint_logits.new_zeros(0)
    indices = all_valid.to(torch.bool).nonzero().squeeze(1)
    empty = indices.numel() == 0
    if has_event_storage():
        get_event_storage().put_scalar("kpts_num_skipped_batches", float(empty), smoothing_hint=False)
    if empty:
        return pred_keypoint_logits.sum() * 0
    logits = pred_keypoint_logits.reshape(-1, side * side)
    loss = F.cross_entropy(logits[indices], torch.cat(cells)[indices], reduction="sum")
    return loss / (indices.numel() if normalizer is None else normalizer)


def keypoint_rcnn_inference(pred_keypoint_logits: Tensor, pred_instances: Sequence[Instances]) -> None:
    """Set `pred_keypoints` and `pred_keypoint_heatmaps` of the detections, in place.

    `pred_keypoints` are `(R_i, P, 3)` rows `(x, y, score)` in image pixels. They are not set under `torch.export`,
    which cannot represent the resizing of each heatmap to the size of its box.

    Args:
        pred_keypoint_logits: `(R, P, S, S)` heatmap logits for the detections of all images.
        pred_instances: For each image its detections with `pred_boxes`.
    """
    logits = pred_keypoint_logits.detach()
    counts = [detections.pred_boxes.tensor.shape[0] for detections in pred_instances]
    for detections, heatmaps in zip(pred_instances, logits.split(counts), strict=True):
        detections.pred_keypoint_heatmaps = heatmaps
    if torch.compiler.is_exporting():
        return
    boxes = torch.cat([detections.pred_boxes.tensor for detections in pred_instances])
    keypoints = heatmaps_to_keypoints(logits, boxes.detach())[:, :, [0, 1, 3]]  # (R, P, 3): x, y, score
    for detections, image_keypoints in zip(pred_instances, keypoints.split(counts), strict=True):
        detections.pred_keypoints = image_keypoints


class BaseKeypointRCNNHead(nn.Module, metaclass=ABCMeta):
    """Loss and inference of a keypoint head; subclasses implement `layers`.

    Args:
        num_keypoints: Number of keypoints per object, `P`.
        loss_weight: Factor of the loss.
        loss_normalizer: `"visible"` divides the loss by the number of visible keypoints of the batch; a number divides
            it by this number times the number of images.

    Raises:
        ValueError: If `loss_normalizer` is another string.
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
        """Return the loss (training), or set the keypoints of the detections (inference).

        Args:
            x: Region features `(R, C, H, W)`.
            instances: The regions of each image: foreground proposals in training, detections in inference.

        Returns:
            `{"loss_keypoint": loss}` in training, otherwise `instances`, with `pred_keypoints`.
        """
        x = self.layers(x)
        if self.training:
            per_image = self.loss_normalizer
            normalizer = None if isinstance(per_image, str) else len(instances) * per_image
            return {"loss_keypoint": keypoint_rcnn_loss(x, instances, normalizer) * self.loss_weight}
        keypoint_rcnn_inference(x, instances)
        return instances

    @abstractmethod
    def layers(self, x: Tensor) -> Tensor:
        """Map region features to heatmap logits `(R, P, S, S)`."""


class KRCNNConvDeconvUpsampleHead(BaseKeypointRCNNHead):
    """3×3 convolutions, a deconvolution and bilinear upsampling; the last two double the resolution each.

    Args:
        input_shape: Channels of the region features.
        num_keypoints: Number of keypoints per object, `P`.
        conv_dims: Output channels of each convolution.
        kwargs: Further arguments of `BaseKeypointRCNNHead`.

    Source: He et al., "Mask R-CNN", 2017, section 5.
    """

    def __init__(self, input_shape: ShapeSpec, *, num_keypoints: int, conv_dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(num_keypoints=num_keypoints, **kwargs)
        self.up_scale = 2
        channels = input_shape.channels
        self._conv_names: list[str] = []
        for i, dim in enumerate(conv_dims, 1):
            self.add_module(f"conv_fcn{i}", Conv2d(channels, dim, 3, padding=1, activation=nn.ReLU()))
            self._conv_names.append(f"conv_fcn{i}")
            channels = dim
        self.score_lowres = nn.ConvTranspose2d(channels, num_keypoints, 4, stride=2, padding=1)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")

    def layers(self, x: Tensor) -> Tensor:
        """Map region features `(R, C, H, W)` to heatmap logits `(R, P, 4 * H, 4 * W)`."""
        x = fast_layout(x)
        for name in self._conv_names:
            x = getattr(self, name)(x)
        x = self.score_lowres(x)
        return F.interpolate(x, scale_factor=self.up_scale, mode="bilinear", align_corners=False)
