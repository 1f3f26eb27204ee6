"""Panoptic feature pyramid network."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import ImageList, Instances

from .image_input import ModelInput, output_size
from .rcnn import GeneralizedRCNN

Panoptic = tuple[Tensor, list[dict[str, Any]]]


class PanopticFPN(GeneralizedRCNN):
    """Mask R-CNN and a semantic head on one backbone, and a rule that joins their results.

    Args:
        sem_seg_head: As `SemSegFPNHead`.
        combine_overlap_thresh: An instance goes if more than this share of it is taken already.
        combine_stuff_area_thresh: Stuff with fewer pixels goes.
        combine_instances_score_thresh: Instances that score less go.
        kwargs: Arguments of `GeneralizedRCNN`.

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

    def forward(self, batched_inputs: ModelInput) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or segment, a batch.

        Args:
            batched_inputs: As for `GeneralizedRCNN`, and `"sem_seg"` `(H, W)` in training.

        Returns:
            Losses by name in training; else for every image `"instances"`, `"sem_seg"` (logits) and
            `"panoptic_seg"`, see `combine_semantic_and_instance_outputs`.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        labels = [item["sem_seg"].to(self.device) for item in batched_inputs]
        targets = self._batch(labels, pad_value=self.sem_seg_head.ignore_value).tensor
        _, losses = self.sem_seg_head(features, targets)
        truth = self._ground_truth(batched_inputs)
        proposals, proposal_losses = self.proposal_generator(images, features, truth)
        _, head_losses = self.roi_heads(images, features, proposals, truth)
        return {**losses, **proposal_losses, **head_losses}

    def inference(  # type: ignore[override]  # no boxes can be given, hence the documented signature is shorter
        self, batched_inputs: ModelInput, do_postprocess: bool = True
    ) -> Any:
        """Segment a batch.

        Args:
            batched_inputs: As in `forward`.
            do_postprocess: Whether to scale and join the results.

        Returns:
            As in `forward`, or raw `Instances` and logits `(B, K, H, W)` without post-processing.
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
        self, instances: Sequence[Instances], semantic: Tensor, batched_inputs: ModelInput, images: ImageList
    ) -> list[dict[str, Any]]:
        results = []
        for found, logits, item, size in zip(instances, semantic, batched_inputs, images.image_sizes, strict=True):
            wanted = output_size(item, size)
            stuff = sem_seg_postprocess(logits, size, *wanted)
            things = detector_postprocess(found, *wanted)
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
) -> Panoptic:
    """Give every pixel one segment: instances first, the surest on top, stuff where no instance is.

    Args:
        instance_results: Detections with `pred_masks` `(N, H, W)`, `scores` and `pred_classes`.
        semantic_results: Class ids `(H, W)`; 0 means any thing and makes no segment.
        overlap_threshold: An instance goes if more than this share of it is taken already.
        stuff_area_thresh: Stuff with fewer free pixels goes.
        instances_score_thresh: Instances that score less go.

    Returns:
        Segment ids `(H, W)` int32, 0 where there is none, and a dictionary for each id in order: `"id"`,
        `"isthing"`, `"category_id"`, and `"score"` and `"instance_id"` of things or `"area"` of stuff.
    """
    canvas = torch.zeros_like(semantic_results, dtype=torch.int32)
    segments: list[dict[str, Any]] = []
    masks = instance_results.pred_masks.to(dtype=torch.bool, device=canvas.device)
    scores, classes = instance_results.scores.tolist(), instance_results.pred_classes.tolist()
    for index in instance_results.scores.argsort(descending=True).tolist():
        if scores[index] < instances_score_thresh:
            break
        mask, taken = masks[index], canvas > 0
        area, covered = int(mask.sum()), int((mask & taken).sum())
        if area == 0 or covered / area > overlap_threshold:
            continue
        segment = {"id": len(segments) + 1, "isthing": True, "score": scores[index]}
        segments.append({**segment, "category_id": classes[index], "instance_id": index})
        canvas[mask & ~taken] = len(segments)
    for label in semantic_results.unique().tolist():
        free = (semantic_results == label) & (canvas == 0)
        area = int(free.sum())
        if label == 0 or area < stuff_area_thresh:
            continue
        segments.append({"id": len(segments) + 1, "isthing": False, "category_id": label, "area": area})
        canvas[free] = len(segments)
    return canvas, segments
