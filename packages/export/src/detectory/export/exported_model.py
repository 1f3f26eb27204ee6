"""A graph from a file, with the interface of the model that it was recorded from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.meta_arch.panoptic_fpn import combine_semantic_and_instance_outputs
from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import Boxes, Instances, heatmaps_to_keypoints

from .description import Description

RunGraph = Callable[[tuple[Tensor, ...]], Sequence[Tensor]]


class ExportedModel(nn.Module):
    """Takes and gives what the original model does in evaluation mode, one image after the other, on the CPU.

    Evaluators and `Predictor` accept it in place of the model.

    Args:
        run_graph: Maps the graph's inputs to its outputs.
        description: Of the model.
    """

    def __init__(self, run_graph: RunGraph, description: Description) -> None:
        super().__init__()
        self.run_graph = run_graph
        self.description = description
        self.input_format = description.input_format
        self.eval()

    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the model's outputs for each image.

        Args:
            batched_inputs: For each image `image` (C, H, W), the wanted `height` and `width`, and `proposals` where the
                model has no proposal generator.
        """
        return [self._outputs(item) for item in batched_inputs]

    def raw_outputs(self, item: dict[str, Any]) -> dict[str, Tensor]:
        """Return the graph's outputs for one image by name, before post-processing.

        Raises:
            ValueError: when the input lacks an entry that the graph needs.
        """
        height, width = item["image"].shape[1:] if "image" in item else (0, 0)
        if "image" in item and min(height, width) < self.description.smallest_side:
            raise ValueError(
                f"ExportedModel: images must have sides of at least {self.description.smallest_side} pixels, "
                f"got {height}x{width}"
            )
        inputs = []
        for name, key in zip(self.description.input_names, ("image", "proposals"), strict=False):
            if key not in item:
                raise ValueError(f"ExportedModel: {self.description.architecture} needs {key!r}, got {sorted(item)}")
            inputs.append(item[key].to(torch.float32) if key == "image" else item[key].get(name).tensor)
        return dict(zip(self.description.output_names, self.run_graph(tuple(inputs)), strict=True))

    def _outputs(self, item: dict[str, Any]) -> dict[str, Any]:
        raw = self.raw_outputs(item)
        size = (item["image"].shape[1], item["image"].shape[2])
        wanted = (item.get("height", size[0]), item.get("width", size[1]))
        outputs: dict[str, Any] = {}
        if "sem_seg" in raw:
            outputs["sem_seg"] = sem_seg_postprocess(raw.pop("sem_seg"), size, *wanted)
        if raw:
            kind = "proposals" if "proposal_boxes" in raw else "instances"
            outputs[kind] = detector_postprocess(_instances_of(raw, size), *wanted)
        if self.description.panoptic:
            labels, limits = outputs["sem_seg"].argmax(dim=0), self.description.panoptic
            outputs["panoptic_seg"] = combine_semantic_and_instance_outputs(
                outputs["instances"],
                labels,
                limits["combine_overlap_thresh"],
                limits["combine_stuff_area_thresh"],
                limits["combine_instances_score_thresh"],
            )
        return outputs


def _instances_of(raw: dict[str, Tensor], size: tuple[int, int]) -> Instances:
    """Return raw predictions as `Instances`, with the keypoints that the heatmaps show."""
    found = Instances(size)
    for name, value in raw.items():
        found.set(name, Boxes(value) if name.endswith("_boxes") else value)
    if found.has("pred_keypoint_heatmaps"):
        boxes = found.pred_boxes.tensor
        found.pred_keypoints = heatmaps_to_keypoints(found.pred_keypoint_heatmaps, boxes)[:, :, [0, 1, 3]]
    return found
