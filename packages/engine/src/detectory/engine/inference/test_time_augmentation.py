"""Test-time augmentation: detection at several image sizes and mirrored, with merged results."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from detectory.data.images import read_image
from detectory.data.transforms import (
    HFlipTransform,
    ResizeShortestEdge,
    ResizeTransform,
    Transform,
    TransformList,
)
from detectory.modeling.meta_arch import GeneralizedRCNN
from detectory.modeling.postprocessing import detector_postprocess
from detectory.modeling.roi_heads import RROIHeads, fast_rcnn_inference_single_image
from detectory.structures import Boxes, Instances
from detectory.structures.model_formats import ModelInput
from detectory.structures.records import DatasetRecord


class AugmentedInput(ModelInput):
    """An augmented version of a model input."""

    transforms: Transform
    """The transform from the original image to `image`."""


class DatasetMapperTTA:
    """Creates the augmented inputs of test-time augmentation from one input.

    Args:
        min_sizes: Lengths of the shorter side, one image per length.
        max_size: Maximum length of the longer side; larger images are scaled down.
        flip: Whether to add a mirrored copy of each image.
    """

    def __init__(
        self,
        min_sizes: Sequence[int] = (400, 500, 600, 700, 800, 900, 1000, 1100, 1200),
        max_size: int = 4000,
        flip: bool = True,
    ) -> None:
        if len(min_sizes) == 0:
            raise ValueError("DatasetMapperTTA: min_sizes must not be empty")
        self.min_sizes = list(min_sizes)
        self.max_size = max_size
        self.flip = flip

    def __call__(self, dataset_dict: ModelInput) -> list[AugmentedInput]:
        """Augment one input.

        Args:
            dataset_dict: `image` `(C, H, W)`, and `height` and `width` of the original image. uint8 images are
                resized with antialiasing, other dtypes without.

        Returns:
            `len(min_sizes) * (2 if flip else 1)` copies, each size followed by its mirror image, with a new `image`
            and with `transforms` from the original image to it.
        """
        image = dataset_dict["image"].permute(1, 2, 0).cpu().numpy()
        size = image.shape[:2]
        original = (dataset_dict["height"], dataset_dict["width"])
        before: list[Transform] = [] if size == original else [ResizeTransform(*original, *size)]
        augmented: list[AugmentedInput] = []
        for min_size in self.min_sizes:
            resize = ResizeShortestEdge(min_size, self.max_size).get_transform(image)
            resized = resize.apply_image(np.ascontiguousarray(image))
            variants: list[list[Transform]] = [[resize]]
            if self.flip:
                variants.append([resize, HFlipTransform(resized.shape[1])])
            for variant in variants:
                pixels = TransformList(variant[1:]).apply_image(resized)
                tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
                augmented.append({**dataset_dict, "image": tensor, "transforms": TransformList(before + variant)})
        return augmented


class GeneralizedRCNNWithTTA(nn.Module):
    """A two-stage detector applied to several augmented versions of each image.

    The boxes of all versions are mapped back to the original image and merged by non-maximum suppression with the
    threshold and the maximum number of detections of the model's box predictor. Masks are then predicted for the
    merged boxes in every version and averaged.

    Args:
        model: Predicts boxes, and masks if it has a mask head. A `DistributedDataParallel` wrapper is removed.
        tta_mapper: Returns the augmented inputs of an input, each with invertible `transforms` from the original image
            to its `image`. By default a `DatasetMapperTTA`.
        batch_size: Number of versions per batch.

    Raises:
        TypeError: If the model is not a `GeneralizedRCNN`.
        ValueError: If the model predicts keypoints or rotated boxes, which cannot be merged, or requires proposals.

    Example:
        >>> from detectory import zoo
        >>> model = zoo.get("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py").eval()  # with random weights
        >>> augmented = GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64]))
        >>> image = torch.zeros(3, 64, 64, dtype=torch.uint8)
        >>> augmented([{"image": image, "height": 100, "width": 100}])[0]["instances"].image_size
        (100, 100)

    Source: He et al., "Mask R-CNN", 2017, appendix B.
    """

    def __init__(
        self,
        model: nn.Module,
        tta_mapper: Callable[[ModelInput], list[AugmentedInput]] | None = None,
        batch_size: int = 3,
    ) -> None:
        super().__init__()
        if isinstance(model, DistributedDataParallel):
            model = model.module
        if not isinstance(model, GeneralizedRCNN):
            raise TypeError(f"GeneralizedRCNNWithTTA: model must be a GeneralizedRCNN, got {type(model).__name__}")
        if batch_size < 1:
            raise ValueError(f"GeneralizedRCNNWithTTA: batch_size must be positive, got {batch_size}")
        if getattr(model.roi_heads, "keypoint_on", False):
            raise ValueError("GeneralizedRCNNWithTTA: model must not predict keypoints, which cannot be merged")
        if isinstance(model.roi_heads, RROIHeads):
            raise ValueError("GeneralizedRCNNWithTTA: model must not predict rotated boxes, which cannot be merged")
        if model.proposal_generator is None:
            raise ValueError("GeneralizedRCNNWithTTA: model must have a proposal generator")
        self.model = model
        self.tta_mapper = tta_mapper if tta_mapper is not None else DatasetMapperTTA()
        self.batch_size = batch_size

    @property
    def input_format(self) -> str | None:
        """Channel order of the model's input."""
        return self.model.input_format

    @torch.no_grad()
    def forward(self, batched_inputs: Sequence[ModelInput | DatasetRecord]) -> list[dict[str, Instances]]:
        """Detect objects in a batch, one image at a time, without gradients.

        Args:
            batched_inputs: See `GeneralizedRCNN`. An input without `image` is read from its `file_name`.

        Returns:
            See `GeneralizedRCNN` in inference mode.
        """
        return [{"instances": self._detect(self._with_image(item))} for item in batched_inputs]

    def _with_image(self, item: ModelInput | DatasetRecord) -> ModelInput:
        complete: dict[str, Any] = dict(item)
        if "image" not in complete:
            pixels = read_image(complete["file_name"], self.model.input_format)
            complete["image"] = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        complete.setdefault("height", complete["image"].shape[1])
        complete.setdefault("width", complete["image"].shape[2])
        return cast("ModelInput", complete)

    def _detect(self, item: ModelInput) -> Instances:
        """Return the merged detections of one image at its original size."""
        size = (item["height"], item["width"])
        augmented = self.tta_mapper(item)
        transforms = [version["transforms"] for version in augmented]
        inputs = [_without_output_size(version) for version in augmented]
        with _without_masks(self.model.roi_heads):
            detections = self._run(inputs)
        merged = self._merge(detections, transforms, size)
        if getattr(self.model.roi_heads, "mask_on", False):
            merged.pred_masks = self._average_masks(inputs, transforms, merged)
        return detector_postprocess(merged, *size)

    def _run(self, inputs: list[ModelInput], known: list[Instances] | None = None) -> list[Instances]:
        """Return the detections in each input, or in its known boxes, at the input's size."""
        results: list[Instances] = []
        for start in range(0, len(inputs), self.batch_size):
            batch = slice(start, start + self.batch_size)
            boxes = None if known is None else known[batch]
            results += self.model.inference(inputs[batch], detected_instances=boxes, do_postprocess=False)
        return results

    def _merge(self, detections: list[Instances], transforms: list[Transform], size: tuple[int, int]) -> Instances:
        """Map the boxes of all versions to the original image and apply non-maximum suppression."""
        pairs = zip(detections, transforms, strict=True)
        boxes = torch.cat([_transformed(own.pred_boxes, transform.inverse()) for own, transform in pairs])
        scores = torch.cat([own.scores for own in detections])
        classes = torch.cat([own.pred_classes for own in detections])
        # (N, K + 1): the score of each detection in the column of its class; the last column is the background.
        table = scores.new_zeros(len(scores), self.model.roi_heads.num_classes + 1)
        table[torch.arange(len(scores), device=scores.device), classes] = scores
        predictor = self.model.roi_heads.box_predictor
        last: Any = predictor[-1] if isinstance(predictor, nn.ModuleList) else predictor
        merged, _ = fast_rcnn_inference_single_image(
            boxes, table, size, 0.0, last.test_nms_thresh, last.test_topk_per_image
        )
        return merged

    def _average_masks(self, inputs: list[ModelInput], transforms: list[Transform], merged: Instances) -> Tensor:
        """Return the mean `(N, 1, M, M)` of the masks predicted for the merged boxes in all versions."""
        if len(merged) == 0:
            return merged.scores.new_zeros(0, 1, 1, 1)
        known = []
        for version, transform in zip(inputs, transforms, strict=True):
            _, height, width = version["image"].shape
            boxes = Boxes(_transformed(merged.pred_boxes, transform))
            known.append(Instances((height, width), pred_boxes=boxes, pred_classes=merged.pred_classes))
        results = self._run(inputs, known)
        masks = [
            own.pred_masks.flip(mirrored_axes(transform)) if mirrored_axes(transform) else own.pred_masks
            for own, transform in zip(results, transforms, strict=True)
        ]
        return torch.stack(masks).mean(dim=0)


def _without_output_size(version: AugmentedInput) -> ModelInput:
    """Return the model input of a version; the inverse transforms rescale the outputs, so the model must not."""
    left_out = ("height", "width", "transforms")
    return cast("ModelInput", {key: value for key, value in version.items() if key not in left_out})


@contextlib.contextmanager
def _without_masks(roi_heads: Any) -> Iterator[None]:
    """Disable the mask head inside the block: the first pass needs only boxes."""
    had_masks = getattr(roi_heads, "mask_on", False)
    if had_masks:
        roi_heads.mask_on = False
    try:
        yield
    finally:
        if had_masks:
            roi_heads.mask_on = True


def _transformed(boxes: Boxes, transform: Transform) -> Tensor:
    """Return transformed boxes `(N, 4)`."""
    moved = transform.apply_box(boxes.tensor.cpu().numpy())
    return torch.from_numpy(moved).to(boxes.tensor)


def mirrored_axes(transform: Transform) -> list[int]:
    """Return the axes of `(N, 1, M, M)` masks that a transform mirrors.

    Raises:
        ValueError: If the transform rotates or shears the image, because box-aligned masks cannot be transformed back.
    """
    origin, right, down = transform.apply_coords(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    (x, turned), (sheared, y) = right - origin, down - origin
    if max(abs(turned), abs(sheared)) > 1e-6:
        raise ValueError(f"GeneralizedRCNNWithTTA: masks do not support transforms that rotate images: {transform}")
    return list(itertools.compress([3, 2], [x < 0, y < 0]))
