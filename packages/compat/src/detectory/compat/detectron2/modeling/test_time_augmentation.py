"""Test-time augmentation, built from arguments or a config."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory import engine as native
from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.postprocessing import detector_postprocess
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference_single_image
from detectory.data.transforms import HFlipTransform, NoOpTransform, Transform
from detectory.engine.inference.test_time_augmentation import AugmentedInput, _transformed, mirrored_axes
from detectory.structures import Boxes, Instances
from detectory.structures.model_formats import ModelInput

__all__ = [
    "DatasetMapperTTA",
    "GeneralizedRCNNWithTTA",
    "HFlipTransform",
    "NoOpTransform",
    "detector_postprocess",
    "fast_rcnn_inference_single_image",
]


class DatasetMapperTTA(native.DatasetMapperTTA):
    """`detectory.engine.DatasetMapperTTA` that can also be built from a config."""

    __init__ = configurable(native.DatasetMapperTTA.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `TEST.AUG`."""
        settings = cfg.TEST.AUG
        return {"min_sizes": settings.MIN_SIZES, "max_size": settings.MAX_SIZE, "flip": settings.FLIP}


class GeneralizedRCNNWithTTA(native.GeneralizedRCNNWithTTA):
    """A `detectory.engine.GeneralizedRCNNWithTTA` with Detectron2's signature.

    Args:
        cfg: Config of the model; `TEST.AUG` describes the augmentations if `tta_mapper` is not given.
        model: The model.
        tta_mapper: Maps an input to its augmented versions.
        batch_size: Number of augmented images per forward pass.
    """

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        tta_mapper: Callable[[ModelInput], list[AugmentedInput]] | None = None,
        batch_size: int = 3,
    ) -> None:
        super().__init__(model, DatasetMapperTTA(cfg) if tta_mapper is None else tta_mapper, batch_size)
        self.cfg = cfg.clone()

    def __call__(self, batched_inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Detect objects in a batch, one image at a time."""
        with torch.no_grad():
            return [self._inference_one_image(self._with_image(item)) for item in batched_inputs]

    @contextlib.contextmanager
    def _turn_off_roi_heads(self, attrs: Sequence[str]) -> Iterator[None]:
        """Set switches of the ROI heads, such as `mask_on`, to False inside the block."""
        heads: Any = self.model.roi_heads
        previous = {name: getattr(heads, name) for name in attrs if hasattr(heads, name)}
        for name in previous:
            setattr(heads, name, False)
        try:
            yield
        finally:
            for name, value in previous.items():
                setattr(heads, name, value)

    def _batch_inference(
        self, batched_inputs: list[Any], detected_instances: list[Instances] | None = None
    ) -> list[Instances]:
        """Run the model on at most `batch_size` inputs at a time, without post-processing."""
        return self._run(batched_inputs, detected_instances)

    def _inference_one_image(self, input: Any) -> dict[str, Any]:
        """Return the merged detections of an image under `instances`."""
        size = (input["height"], input["width"])
        augmented_inputs, transforms = self._get_augmented_inputs(input)
        with self._turn_off_roi_heads(["mask_on", "keypoint_on"]):
            boxes, scores, classes = self._get_augmented_boxes(augmented_inputs, transforms)
        merged = self._merge_detections(boxes, scores, classes, size)
        if not self.cfg.MODEL.MASK_ON:
            return {"instances": merged}
        augmented_instances = self._rescale_detected_boxes(augmented_inputs, merged, transforms)
        outputs = self._batch_inference(augmented_inputs, augmented_instances)
        merged.pred_masks = self._reduce_pred_masks(outputs, transforms)
        return {"instances": detector_postprocess(merged, *size)}

    def _get_augmented_inputs(self, input: Any) -> tuple[list[Any], list[Transform]]:
        """Return the augmented inputs, without their original sizes, and their transforms."""
        augmented: list[Any] = list(self.tta_mapper(input))
        transforms = [version.pop("transforms") for version in augmented]
        inputs = [{key: value for key, value in v.items() if key not in ("height", "width")} for v in augmented]
        return inputs, transforms

    def _get_augmented_boxes(
        self, augmented_inputs: list[Any], tfms: Sequence[Transform]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the boxes `(N, 4)` of all augmented inputs in the original image, their scores and classes."""
        outputs = self._batch_inference(augmented_inputs)
        boxes = [_transformed(output.pred_boxes, tfm.inverse()) for output, tfm in zip(outputs, tfms, strict=True)]
        scores = [score for output in outputs for score in output.scores]
        classes = [label for output in outputs for label in output.pred_classes]
        return torch.cat(boxes), scores, classes

    def _merge_detections(
        self,
        all_boxes: Tensor,
        all_scores: Sequence[Tensor],
        all_classes: Sequence[Tensor],
        shape_hw: tuple[int, int],
    ) -> Instances:
        """Apply NMS to the detections of all augmented inputs."""
        # (N, K + 1): the score of each detection in the column of its class; the last column is the background.
        table = torch.zeros(len(all_boxes), self.cfg.MODEL.ROI_HEADS.NUM_CLASSES + 1, device=all_boxes.device)
        for row, (label, score) in enumerate(zip(all_classes, all_scores, strict=True)):
            table[row, label] = score
        return fast_rcnn_inference_single_image(
            all_boxes,
            table,
            shape_hw,
            1e-8,
            self.cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            self.cfg.TEST.DETECTIONS_PER_IMAGE,
        )[0]

    def _rescale_detected_boxes(
        self, augmented_inputs: list[Any], merged_instances: Instances, tfms: Sequence[Transform]
    ) -> list[Instances]:
        """Return the merged boxes and classes in the coordinates of every augmented input."""
        return [
            Instances(
                tuple(version["image"].shape[1:3]),
                pred_boxes=Boxes(_transformed(merged_instances.pred_boxes, tfm)),
                pred_classes=merged_instances.pred_classes,
                scores=merged_instances.scores,
            )
            for version, tfm in zip(augmented_inputs, tfms, strict=True)
        ]

    def _reduce_pred_masks(self, outputs: Sequence[Instances], tfms: Sequence[Transform]) -> Tensor:
        """Return the mean of the masks `(N, 1, M, M)` of all augmented inputs, flipped back."""
        masks = []
        for output, tfm in zip(outputs, tfms, strict=True):
            axes = mirrored_axes(tfm)
            masks.append(output.pred_masks.flip(axes) if axes else output.pred_masks)
        return torch.stack(masks).mean(dim=0)
