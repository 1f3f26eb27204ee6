"""Panoptic FPN: instance and semantic segmentation with a common backbone, and their combination."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import ImageList, Instances, ModelInput, ModelOutput, SegmentInfo

from .image_input import output_size
from .rcnn import GeneralizedRCNN


class PanopticFPN(GeneralizedRCNN):
    """Mask R-CNN with an additional semantic head; inference combines both into a panoptic segmentation.

    Args:
        sem_seg_head: Semantic head, like `SemSegFPNHead`.
        combine_overlap_thresh: Maximum fraction of an instance that may be covered by instances with higher scores.
        combine_stuff_area_thresh: Minimum area of a stuff segment in pixels.
        combine_instances_score_thresh: Minimum score of an instance.
        kwargs: Further arguments of `GeneralizedRCNN`.

    Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019.
    """

    def __init__(
        self,
        *,
        sem_seg_head: Any,
        combine_overlap_thresh: float = 0.5,
        combine_stuff_area_thresh: float = 4096,
        combine_instances_score_thresh: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sem_seg_head: Any = sem_seg_head
        self.combine_overlap_thresh = combine_overlap_thresh
        self.combine_stuff_area_thresh = combine_stuff_area_thresh
        self.combine_instances_score_thresh = combine_instances_score_thresh

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or segmentations (inference) of a batch.

        Args:
            batched_inputs: As for `GeneralizedRCNN`; in training also `"sem_seg"`, `(H, W)` class ids.

        Returns:
            In training, the losses by name. In inference, a dictionary for each image with `"instances"`, `"sem_seg"`
            (logits) and `"panoptic_seg"`, the result of `combine_semantic_and_instance_outputs`.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        labels = [item["sem_seg"].to(self.device) for item in batched_inputs]
        targets = self._batch(labels, pad_value=self.sem_seg_head.ignore_value).tensor
        _, losses = self.sem_seg_head(features, targets)
        gt_instances = self._ground_truth(batched_inputs)
        proposals, proposal_losses = self.proposal_generator(images, features, gt_instances)
        _, head_losses = self.roi_heads(images, features, proposals, gt_instances)
        return {**losses, **proposal_losses, **head_losses}

    def inference(  # type: ignore[override]  # without `detected_instances`, as in Detectron2
        self, batched_inputs: Sequence[ModelInput], do_postprocess: bool = True
    ) -> Any:
        """Return the segmentations of a batch.

        Args:
            batched_inputs: As in `forward`.
            do_postprocess: Whether to rescale and combine the predictions.

        Returns:
            As in `forward`; without post-processing, the `Instances` of each image and the logits `(B, K, H, W)`, both
            in the resolution of the model input.
        """
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        semantic, _ = self.sem_seg_head(features, None)
        proposals, _ = self.proposal_generator(images, features, None)
        instances, _ = self.roi_heads(images, features, proposals, None)
        if not do_postprocess:
            return instances, semantic
        return self._join(instances, semantic, batched_inputs, images)

    def _join(
        self, instances: Sequence[Instances], semantic: Tensor, batched_inputs: Sequence[ModelInput], images: ImageList
    ) -> list[ModelOutput]:
        """Rescale and combine the predictions of each image."""
        results: list[ModelOutput] = []
        for detections, logits, item, size in zip(instances, semantic, batched_inputs, images.image_sizes, strict=True):
            height, width = output_size(item, size)
            stuff = sem_seg_postprocess(logits, size, height, width)
            things = detector_postprocess(detections, height, width)
            panoptic = combine_semantic_and_instance_outputs(
                things,
                stuff.argmax(dim=0),
                self.combine_overlap_thresh,
                self.combine_stuff_area_thresh,
                self.combine_instances_score_thresh,
            )
            results.append({"sem_seg": stuff, "instances": things, "panoptic_seg": panoptic})
        return results


def combine_semantic_and_instance_outputs(
    instance_results: Instances,
    semantic_results: Tensor,
    overlap_threshold: float,
    stuff_area_thresh: float,
    instances_score_thresh: float,
) -> tuple[Tensor, list[SegmentInfo]]:
    """Combine instances and semantic segmentation such that every pixel belongs to at most one segment.

    Instances are pasted in descending order of their scores, without overwriting each other; stuff fills the remaining
    pixels.

    Args:
        instance_results: Detections with `pred_masks` `(N, H, W)`, `scores` and `pred_classes`.
        semantic_results: `(H, W)` class ids; 0 represents all thing classes and is not converted to a segment.
        overlap_threshold: Maximum fraction of an instance that may be covered by instances with higher scores.
        stuff_area_thresh: Minimum number of remaining pixels of a stuff segment.
        instances_score_thresh: Minimum score of an instance.

    Returns:
        The segment ids, `(H, W)` int32, 0 for pixels without a segment; and a dictionary for each segment in the order
        of the
        ids: `"id"`, `"isthing"`, `"category_id"`, and `"score"` and `"instance_id"` of things or `"area"` of stuff.

    Source: Kirillov et al., "Panoptic Segmentation", 2019, section 7.
    """
    segment_ids = torch.zeros_like(semantic_results, dtype=torch.int32)
    segments: list[SegmentInfo] = []
    masks = instance_results.pred_masks.to(dtype=torch.bool, device=segment_ids.device)
    scores = instance_results.scores.tolist()
    classes = instance_results.pred_classes.tolist()
    for index in instance_results.scores.argsort(descending=True).tolist():
        if scores[index] < instances_score_thresh:
            break
        mask = masks[index]
        is_covered = mask & (segment_ids > 0)
        area = int(mask.sum())
        if area == 0 or int(is_covered.sum()) / area > overlap_threshold:
            continue
        segments.append(
            SegmentInfo(
                id=len(segments) + 1,
                isthing=True,
                score=scores[index],
                category_id=classes[index],
                instance_id=index,
            )
        )
        segment_ids[mask & ~is_covered] = len(segments)
    for label in semantic_results.unique().tolist():
        mask = (semantic_results == label) & (segment_ids == 0)
        area = int(mask.sum())
        if label == 0 or area < stuff_area_thresh:
            continue
        segments.append(SegmentInfo(id=len(segments) + 1, isthing=False, category_id=label, area=area))
        segment_ids[mask] = len(segments)
    return segment_ids, segments
