"""`ExportedModel`: an exported graph with the interface of the original model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from detectory.export.description import Description
from detectory.export.fixed_size import pad_to_size
from detectory.modeling.meta_arch.panoptic_fpn import combine_semantic_and_instance_outputs
from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import Boxes, Instances, RotatedBoxes, heatmaps_to_keypoints
from detectory.structures.model_formats import ModelInput, ModelOutput

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

        Raises:
            ValueError: If a required entry is missing, or the size of an image is not supported by the graph.
        """
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, item in enumerate(batched_inputs):
            self._check(item)
            groups.setdefault(tuple(item["image"].shape), []).append(index)
        outputs: dict[int, ModelOutput] = {}
        for members in groups.values():
            step = self.description.batch or len(members)
            for start in range(0, len(members), step):
                part = members[start : start + step]
                raw = self.raw_outputs([batched_inputs[index] for index in part])
                for index, one in zip(part, raw, strict=True):
                    outputs[index] = self._outputs(batched_inputs[index], one)
        return [outputs[index] for index in range(len(batched_inputs))]

    def raw_outputs(self, items: Sequence[ModelInput]) -> list[dict[str, Tensor]]:
        """Return the graph's outputs by name, before post-processing, for images of one size.

        Args:
            items: At most as many inputs as the batch size of the graph.
        """
        description = self.description
        images = [item["image"].to(torch.float32) for item in items]
        if description.height:
            size = description.height, description.width
            images = [pad_to_size(image, *size, description.pixel_mean) for image in images]
        if description.batch == 1:
            inputs = [images[0]]
            if len(description.input_names) > 1:
                inputs.append(items[0]["proposals"].proposal_boxes.tensor)
            return [dict(zip(description.output_names, self.run_graph(tuple(inputs)), strict=True))]
        batch = torch.stack(images + images[-1:] * (description.batch - len(images)))
        merged = dict(zip(description.output_names, self.run_graph((batch,)), strict=True))
        return [_of_image(merged, index) for index in range(len(items))]

    def _check(self, item: ModelInput) -> None:
        description = self.description
        for key in ("image", "proposals")[: len(description.input_names)]:
            if key not in item:
                raise ValueError(f"ExportedModel: {description.architecture} needs {key!r}, got {sorted(item)}")
        height, width = item["image"].shape[1:]
        if not description.height and min(height, width) < description.smallest_side:
            raise ValueError(
                f"ExportedModel: images must have sides of at least {description.smallest_side} pixels, "
                f"got {height}x{width}"
            )

    def _outputs(self, item: ModelInput, raw: dict[str, Tensor]) -> ModelOutput:
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


def _of_image(merged: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    """Return the outputs of one image of a batch."""
    fields = {name: value for name, value in merged.items() if name not in ("image_index", "sem_seg")}
    rows = merged["image_index"] == index if fields else None
    own = {name: value[rows] for name, value in fields.items()}
    return {**own, "sem_seg": merged["sem_seg"][index]} if "sem_seg" in merged else own


def _boxes(tensor: Tensor) -> Boxes | RotatedBoxes:
    return RotatedBoxes(tensor) if tensor.shape[1] == 5 else Boxes(tensor)


def _to_instances(raw: dict[str, Tensor], size: tuple[int, int]) -> Instances:
    """Wrap raw predictions in `Instances`; keypoints are decoded from their heatmaps."""
    instances = Instances(size)
    for name, value in raw.items():
        instances.set(name, _boxes(value) if name.endswith("_boxes") else value)
    if instances.has("pred_keypoint_heatmaps"):
        boxes = instances.pred_boxes.tensor
        instances.pred_keypoints = heatmaps_to_keypoints(instances.pred_keypoint_heatmaps, boxes)[:, :, [0, 1, 3]]
    return instances
