"""Base class of the ROI heads: matching of proposals with ground truth, and sampling for training."""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from detectory.modeling.matcher import Matcher
from detectory.modeling.proposal_generator.proposals import add_ground_truth_to_proposals
from detectory.modeling.sampling import check_sampling, subsample_labels
from detectory.structures import Boxes, ImageList, Instances, RotatedBoxes, pairwise_iou, pairwise_iou_rotated

from .training_statistics import log_sample_stats

HeadsOutput = tuple[list[Instances], dict[str, Tensor]]


def select_foreground_proposals(proposals: Sequence[Instances], bg_label: int) -> tuple[list[Instances], list[Tensor]]:
    """Select the foreground proposals of each image.

    Args:
        proposals: `Instances` with `gt_classes` for each image: -1 is ignored, `bg_label` is the background.
        bg_label: Label of the background.

    Returns:
        The foreground proposals of each image, and their bool masks `(R_i,)`.
    """
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    return [p[mask.nonzero().squeeze(1)] for p, mask in zip(proposals, masks, strict=True)], masks


def select_proposals_with_visible_keypoints(proposals: Sequence[Instances]) -> list[Instances]:
    """Select the proposals of each image that contain a visible keypoint of their matched object.

    Other proposals have no target for the keypoint loss.

    Args:
        proposals: Foreground proposals with `proposal_boxes` and `gt_keypoints` for each image.

    Returns:
        The selected proposals of each image.
    """
    kept = []
    for regions in proposals:
        if len(regions) == 0:
            kept.append(regions)
            continue
        x, y, visibility = regions.gt_keypoints.tensor.unbind(dim=2)  # each (R_i, P)
        x1, y1, x2, y2 = regions.proposal_boxes.tensor.unsqueeze(2).unbind(dim=1)  # each (R_i, 1)
        is_inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        has_target = (is_inside & (visibility >= 1)).any(dim=1)
        kept.append(regions[has_target.nonzero().squeeze(1)])
    return kept


class ROIHeads(nn.Module, metaclass=ABCMeta):
    """Base class of the second stage: samples proposals for training; subclasses predict from them.

    Args:
        num_classes: Number of classes, `K`; `K` is also the label of the background.
        batch_size_per_image: Number of proposals sampled per image for training.
        positive_fraction: Maximum fraction of foreground proposals in this sample.
        proposal_matcher: Labels proposals by their IoU with the ground truth.
        proposal_append_gt: Whether to add the ground-truth boxes to the proposals in training.

    Raises:
        ValueError: If a sampling argument is invalid.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        batch_size_per_image: int,
        positive_fraction: float,
        proposal_matcher: Matcher,
        proposal_append_gt: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        check_sampling(type(self).__name__, batch_size_per_image, positive_fraction)
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.proposal_matcher = proposal_matcher
        self.proposal_append_gt = proposal_append_gt

    @abstractmethod
    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> HeadsOutput:
        """Predict from proposals.

        Args:
            images: The batch; only sizes are used.
            features: Feature maps `(B, C, H, W)` by name.
            proposals: `Instances` with `proposal_boxes` and `objectness_logits` for each image.
            targets: Ground truth of each image, required in training: `gt_boxes`, `gt_classes`, and `gt_masks` or
                `gt_keypoints` if there is a head for them.

        Returns:
            The detections of each image (in training, the sampled proposals), and the losses by name (empty in
            inference).
        """

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: Sequence[Instances], targets: Sequence[Instances]
    ) -> list[Instances]:
        """Match the proposals of each image with its objects, and sample foreground and background proposals.

        Args:
            proposals: `Instances` with `proposal_boxes` for each image.
            targets: `Instances` with `gt_boxes`, `gt_classes` and further `gt_` fields for each image.

        Returns:
            For each image at most `batch_size_per_image` proposals, the foreground first, with `gt_classes` and the
            `gt_` fields of the matched objects. The `gt_` fields of background proposals, except `gt_classes`, have no
            meaning; they are missing in images without objects.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(list(targets), proposals)
        sampled, foreground, background = [], [], []
        for image_proposals, image_targets in zip(proposals, targets, strict=True):
            quality = self._pairwise_iou(image_targets.gt_boxes, image_proposals.proposal_boxes)
            matches, labels = self.proposal_matcher(quality)
            indices, classes = self._sample_proposals(matches, labels, image_targets.gt_classes)
            sample = image_proposals[indices]
            sample.gt_classes = classes
            if len(image_targets):
                copy_matched_fields(sample, image_targets, matches[indices])
            sampled.append(sample)
            num_foreground = int((classes != self.num_classes).sum())
            foreground.append(num_foreground)
            background.append(len(classes) - num_foreground)
        log_sample_stats(foreground, background)
        return sampled

    def _pairwise_iou(self, gt_boxes: Boxes | RotatedBoxes, proposal_boxes: Boxes | RotatedBoxes) -> Tensor:
        if isinstance(gt_boxes, RotatedBoxes) and isinstance(proposal_boxes, RotatedBoxes):
            return pairwise_iou_rotated(gt_boxes, proposal_boxes)
        return pairwise_iou(gt_boxes, proposal_boxes)

    def _sample_proposals(
        self, matched_idxs: Tensor, matched_labels: Tensor, gt_classes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the indices of the sampled proposals and their classes."""
        classes = self._classes_of(matched_idxs, matched_labels, gt_classes)
        positive, negative = subsample_labels(
            classes, self.batch_size_per_image, self.positive_fraction, self.num_classes
        )
        indices = torch.cat((positive, negative))
        return indices, classes[indices]

    def _classes_of(self, matches: Tensor, labels: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the class of each proposal: that of its object, `num_classes` for background, or -1 if ignored."""
        if gt_classes.numel() == 0:
            return torch.full_like(matches, self.num_classes)
        classes = gt_classes[matches]
        return classes.masked_fill(labels == 0, self.num_classes).masked_fill(labels == -1, -1)


def copy_matched_fields(proposals: Instances, targets: Instances, matches: Tensor) -> None:
    """Copy the `gt_` fields of the matched objects to the proposals, except fields that the proposals already have.

    Args:
        proposals: `R` proposals; modified in place.
        targets: Ground truth of the image.
        matches: `(R,)` index of the matched object of each proposal.
    """
    for name, value in targets.get_fields().items():
        if name.startswith("gt_") and not proposals.has(name):
            proposals.set(name, value[matches])
