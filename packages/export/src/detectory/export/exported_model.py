"""`ExportedModel`: an exported graph with the interface of the original model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from detectory.export.description import Description
from detectory.modeling.meta_arch.panoptic_fpn import combine_semantic_and_instance_outputs
from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import Boxes, Instances, heatmaps_to_keypoints
from detectory.structures.records import ModelInput, ModelOutput

RunGraph = Callable[[tuple[Tensor, ...]], Sequence[Tensor]]


class ExportedModel(nn.Module):
    """A drop-in replacement for the original model in evaluation mode.

    Images are processed one at a time on the CPU. Evaluators and `Predictor` accept an `ExportedModel` wherever they
    accept the original.

    Args:
        run_graph: Maps the graph's input tensors to its output tensors.
        description: Metadata of the exported model.
    """

    def __init__(self, run_graph: RunGraph, description: Description) -> None:
        super().__init__()
        self.run_graph = run_graph
        self.description = description
        self.input_format = description.input_format
        self.eval()

    def forward(self, batched_inputs: Sequence[ModelInput]) -> list[ModelOutput]:
        """Return the model's outputs for each image.

        Args:
            batched_inputs: One dict per image: `image` (C, H, W), the output size as `height` and `width`, and
                `proposals` if the model does not have a proposal generator.
        """
        return [self._outputs(item) for item in batched_inputs]

    def raw_outputs(self, item: ModelInput) -> dict[str, Tensor]:
        """Return the graph's outputs for one image by name, before post-processing.

        Raises:
            ValueError: If a required entry is missing, or the image is too small for the graph.
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
            inputs.append(item["image"].to(torch.float32) if key == "image" else item["proposals"].get(name).tensor)
        return dict(zip(self.description.output_names, self.run_graph(tuple(inputs)), strict=True))

    def _outputs(self, item: ModelInput) -> ModelOutput:
        raw = self.raw_outputs(item)
        size = (item["image"].shape[1], item["image"].shape[2])
        output_size = (item.get("height", size[0]), item.get("width", size[1]))
        outputs: ModelOutput = {}
        if "sem_seg" in raw:
            outputs["sem_seg"] = sem_seg_postprocess(raw.pop("sem_seg"), size, *output_size)
        if raw:
            predictions = detector_postprocess(_to_instances(raw, size), *output_size)
            outputs["proposals" if "proposal_boxes" in raw else "instances"] = predictions
        if self.description.panoptic:
            labels, thresholds = outputs["sem_seg"].argmax(dim=0), self.description.panoptic
            outputs["panoptic_seg"] = combine_semantic_and_instance_outputs(
                outputs["instances"],
                labels,
                thresholds["combine_overlap_thresh"],
                thresholds["combine_stuff_area_thresh"],
                thresholds["combine_instances_score_thresh"],
            )
        return outputs


def _to_instances(raw: dict[str, Tensor], size: tuple[int, int]) -> Instances:
    """Wrap raw predictions in `Instances`; keypoints are decoded from their heatmaps."""
    instances = Instances(size)
    for name, value in raw.items():
        instances.set(name, Boxes(value) if name.endswith("_boxes") else value)
    if instances.has("pred_keypoint_heatmaps"):
        boxes = instances.pred_boxes.tensor
        instances.pred_keypoints = heatmaps_to_keypoints(instances.pred_keypoint_heatmaps, boxes)[:, :, [0, 1, 3]]
    return instances
