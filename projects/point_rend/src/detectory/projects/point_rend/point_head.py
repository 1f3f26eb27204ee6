"""PointRend's point head and the loss at sampled points.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, sections 3.3 and 4.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import c2_msra_fill, init_predictor
from detectory.modeling.roi_heads.mask_head import class_channel
from detectory.structures import Instances

__all__ = ["StandardPointHead", "roi_mask_point_loss"]


class StandardPointHead(nn.Module):
    """Multilayer perceptron shared by all points, implemented as 1-D convolutions.

    Args:
        in_channels: Channels of the fine-grained features.
        num_classes: Channels of the coarse prediction.
        fc_dim: Channels of the hidden layers.
        num_fc: Number of hidden layers.
        cls_agnostic_mask: Predict one mask for all classes.
        coarse_pred_each_layer: Append the coarse prediction to the input of every layer instead of only the first.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        fc_dim: int = 256,
        num_fc: int = 3,
        cls_agnostic_mask: bool = False,
        coarse_pred_each_layer: bool = True,
    ) -> None:
        super().__init__()
        self.coarse_pred_each_layer = coarse_pred_each_layer
        self.fc_layers: list[nn.Conv1d] = []
        channels = in_channels + num_classes
        for number in range(1, num_fc + 1):
            layer = nn.Conv1d(channels, fc_dim, kernel_size=1)
            c2_msra_fill(layer)
            self.add_module(f"fc{number}", layer)
            self.fc_layers.append(layer)
            channels = fc_dim + (num_classes if coarse_pred_each_layer else 0)
        self.predictor = nn.Conv1d(channels, 1 if cls_agnostic_mask else num_classes, kernel_size=1)
        init_predictor(self.predictor, std=0.001)

    def forward(self, fine_grained_features: Tensor, coarse_features: Tensor) -> Tensor:
        """Map fine-grained features `(R, C, P)` and coarse logits `(R, K, P)` to logits `(R, K or 1, P)`."""
        x = torch.cat((fine_grained_features, coarse_features), dim=1)
        for layer in self.fc_layers:
            x = F.relu(layer(x))
            if self.coarse_pred_each_layer:
                x = torch.cat((x, coarse_features), dim=1)
        return self.predictor(x)


def roi_mask_point_loss(mask_logits: Tensor, instances: Sequence[Instances], point_labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of the logits of each region's class at the sampled points.

    Args:
        mask_logits: `(R, K or 1, P)`.
        instances: Instances per image, with `gt_classes`.
        point_labels: `(R, P)`, ground truth at the points, in [0, 1]. Points with label -1 contribute a loss of 0, but
            count in the mean.
    """
    if mask_logits.shape[0] == 0:
        return mask_logits.sum() * 0
    logits = class_channel(mask_logits, torch.cat([x.gt_classes for x in instances]))
    labels = point_labels.to(logits.dtype)
    is_labelled = labels != -1
    return F.binary_cross_entropy_with_logits(logits, labels * is_labelled, weight=is_labelled.to(logits.dtype))
