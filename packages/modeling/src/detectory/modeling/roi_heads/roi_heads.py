"""What all ROI heads share: matching proposals with ground truth and sampling them."""

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
    """Keep the proposals of every image that are labelled with an object's class.

    Args:
        proposals: `Instances` with `gt_classes`, where -1 is ignored and `bg_label` is background.
        bg_label: The background's label.

    Returns:
        The foreground proposals of every image, and bool masks `(R_i,)` that choose them.
    """
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    return [p[mask.nonzero().squeeze(1)] for p, mask in zip(proposals, masks, strict=True)], masks


def select_proposals_with_visible_keypoints(proposals: Sequence[Instances]) -> list[Instances]:
    """Keep the proposals of every image that contain at least one visible keypoint of their object.

    Args:
        proposals: Foreground proposals with `proposal_boxes` and `gt_keypoints`.
    """
    kept = []
    for found in proposals:
        if len(found) == 0:
            kept.append(found)
            continue
        x, y, seen = found.gt_keypoints.tensor.unbind(dim=2)  # each (R_i, P)
        x1, y1, x2, y2 = found.proposal_boxes.tensor.unsqueeze(2).unbind(dim=1)
        inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2) & (seen >= 1)
        kept.append(found[inside.any(dim=1).nonzero().squeeze(1)])
    return kept


class ROIHeads(nn.Module, metaclass=ABCMeta):
    """Everything behind the proposals; this class samples them for training, subclasses predict.

    Args:
        num_classes: `K`; the background's label is `K`.
        batch_size_per_image: Proposals of an image that training looks at.
        positive_fraction: Largest share of foreground among them.
        proposal_matcher: Labels proposals by their IoU with ground truth.
        proposal_append_gt: Whether the ground truth itself is among the proposals.
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
            images: The batch; only sizes are read.
            features: Maps `(B, C, H, W)` by name.
            proposals: For every image `Instances` with `proposal_boxes` and `objectness_logits`.
            targets: Ground truth of every image, needed in training: `gt_boxes`, `gt_classes`, and
                `gt_masks` or `gt_keypoints` where heads want them.

        Returns:
            Detections of every image (in training the sampled proposals), and losses by name (empty in inference).
        """

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: Sequence[Instances], targets: Sequence[Instances]
    ) -> list[Instances]:
        """Match the proposals of every image with its objects and draw a sample of both kinds.

        Args:
            proposals: `Instances` with `proposal_boxes`.
            targets: `Instances` with `gt_boxes`, `gt_classes` and any other `gt_` field.

        Returns:
            For every image at most `batch_size_per_image` proposals, foreground first, with `gt_classes`
            and the `gt_` fields of the object each is matched with. Background proposals carry the fields of an
            arbitrary object; an image without objects has no other `gt_` field.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(list(targets), proposals)
        sampled, foreground, background = [], [], []
        for found, truth in zip(proposals, targets, strict=True):
            quality = self._pairwise_iou(truth.gt_boxes, found.proposal_boxes)
            matches, labels = self.proposal_matcher(quality)
            index, classes = self._sample_proposals(matches, labels, truth.gt_classes)
            found = found[index]
            found.gt_classes = classes
            if len(truth):
                copy_matched_fields(found, truth, matches[index])
            sampled.append(found)
            objects = int((classes != self.num_classes).sum())
            foreground.append(objects)
            background.append(len(classes) - objects)
        log_sample_stats(foreground, background)
        return sampled

    def _pairwise_iou(self, truth: Boxes | RotatedBoxes, found: Boxes | RotatedBoxes) -> Tensor:
        if isinstance(truth, RotatedBoxes) and isinstance(found, RotatedBoxes):
            return pairwise_iou_rotated(truth, found)
        return pairwise_iou(truth, found)

    def _sample_proposals(self, matches: Tensor, labels: Tensor, gt_classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return indices of the sampled proposals and their classes."""
        classes = self._classes_of(matches, labels, gt_classes)
        chosen = subsample_labels(classes, self.batch_size_per_image, self.positive_fraction, self.num_classes)
        index = torch.cat(chosen)
        return index, classes[index]

    def _classes_of(self, matches: Tensor, labels: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the class of each proposal: its object's, background, or -1 where the matcher says ignore."""
        if gt_classes.numel() == 0:
            return torch.full_like(matches, self.num_classes)
        classes = gt_classes[matches]
        return classes.masked_fill(labels == 0, self.num_classes).masked_fill(labels == -1, -1)


def copy_matched_fields(found: Instances, truth: Instances, matches: Tensor) -> None:
    """Set on `found` every `gt_` field that it lacks, from the objects `matches` `(R,)` of `truth`."""
    for name, value in truth.get_fields().items():
        if name.startswith("gt_") and not found.has(name):
            found.set(name, value[matches])
