"""Test-time augmentation: detect in several sizes and a mirror image of a picture, and merge what was found."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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


class DatasetMapperTTA:
    """Makes of one input the inputs of test-time augmentation.

    Args:
        min_sizes: Lengths of the shorter side, one image for each.
        max_size: The longer side is at most that; an image that would be longer is made smaller.
        flip: Whether each of them comes mirrored as well.
    """

    def __init__(
        self,
        min_sizes: Sequence[int] = (400, 500, 600, 700, 800, 900, 1000, 1100, 1200),
        max_size: int = 4000,
        flip: bool = True,
    ) -> None:
        if len(min_sizes) == 0:
            raise ValueError("DatasetMapperTTA: min_sizes must name at least one size, got none")
        self.min_sizes = list(min_sizes)
        self.max_size = max_size
        self.flip = flip

    def __call__(self, dataset_dict: dict[str, Any]) -> list[dict[str, Any]]:
        """Augment one input.

        Args:
            dataset_dict: `image` `(C, H, W)`, and `height` and `width` of the original picture. uint8 is
                resized with antialiasing as pictures on disk are, other types without.

        Returns:
            `len(min_sizes) * (2 if flip else 1)` copies, each size before its mirror image, with another `image`
            and with `transforms`, which lead from the original picture to it.
        """
        image = dataset_dict["image"].permute(1, 2, 0).cpu().numpy()
        size = image.shape[:2]
        original = (dataset_dict["height"], dataset_dict["width"])
        before: list[Transform] = [] if size == original else [ResizeTransform(*original, *size)]
        augmented = []
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
    """A two-stage detector that looks at several augmented versions of every picture.

    Boxes of all versions are brought back to the original picture and merged by non-maximum suppression with the
    threshold and the limit of the model's box predictor. The merged boxes are then looked at in every version again,
    and the masks in them averaged.

    Args:
        model: Finds boxes, and masks where it has a head for them; one wrapped for distributed training is unwrapped.
        tta_mapper: Makes inputs of an input; each has `transforms` which lead from the original picture to its
            `image` and can be inverted. By default a `DatasetMapperTTA`.
        batch_size: How many versions go through the model together.

    Raises:
        TypeError: the model is no `GeneralizedRCNN`.
        ValueError: it finds keypoints or rotated boxes, or needs proposals from outside: these cannot be merged.

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
        tta_mapper: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None,
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
            raise ValueError("GeneralizedRCNNWithTTA: keypoints cannot be merged, the model must not predict them")
        if isinstance(model.roi_heads, RROIHeads):
            raise ValueError("GeneralizedRCNNWithTTA: rotated boxes cannot be merged")
        if model.proposal_generator is None:
            raise ValueError("GeneralizedRCNNWithTTA: the model must make its own proposals, it has no generator")
        self.model = model
        self.tta_mapper = tta_mapper if tta_mapper is not None else DatasetMapperTTA()
        self.batch_size = batch_size

    @property
    def input_format(self) -> str | None:
        """Meaning of the model's channels."""
        return self.model.input_format

    @torch.no_grad()
    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> list[dict[str, Instances]]:
        """Detect in a batch, one picture after the other, without gradients.

        Args:
            batched_inputs: As for `GeneralizedRCNN`; an input without `image` is read from its `file_name`.

        Returns:
            As `GeneralizedRCNN` gives, in inference.
        """
        return [{"instances": self._detect(self._with_image(item))} for item in batched_inputs]

    def _with_image(self, item: dict[str, Any]) -> dict[str, Any]:
        complete = dict(item)
        if "image" not in complete:
            picture = read_image(complete["file_name"], self.model.input_format)
            complete["image"] = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        complete.setdefault("height", complete["image"].shape[1])
        complete.setdefault("width", complete["image"].shape[2])
        return complete

    def _detect(self, item: dict[str, Any]) -> Instances:
        """Return the merged detections of one picture in its own pixels."""
        size = (item["height"], item["width"])
        augmented = self.tta_mapper(item)
        transforms = [version.pop("transforms") for version in augmented]
        # The model shall not scale anything back: the transforms do.
        inputs = [{key: value for key, value in v.items() if key not in ("height", "width")} for v in augmented]
        with _without_masks(self.model.roi_heads):
            found = self._run(inputs)
        merged = self._merge(found, transforms, size)
        if getattr(self.model.roi_heads, "mask_on", False):
            merged.pred_masks = self._average_masks(inputs, transforms, merged)
        return detector_postprocess(merged, *size)

    def _run(self, inputs: list[dict[str, Any]], known: list[Instances] | None = None) -> list[Instances]:
        """Return what the model finds in every input, or in its known boxes, in the input's own pixels."""
        results: list[Instances] = []
        for start in range(0, len(inputs), self.batch_size):
            chosen = slice(start, start + self.batch_size)
            given = None if known is None else known[chosen]
            results += self.model.inference(inputs[chosen], detected_instances=given, do_postprocess=False)
        return results

    def _merge(self, found: list[Instances], transforms: list[Transform], size: tuple[int, int]) -> Instances:
        """Bring the boxes of all versions back to the picture and suppress those that others make superfluous."""
        pairs = zip(found, transforms, strict=True)
        boxes = torch.cat([_moved(one.pred_boxes, transform.inverse()) for one, transform in pairs])
        scores = torch.cat([one.scores for one in found])
        classes = torch.cat([one.pred_classes for one in found])
        # A row for each detection with its score in the column of its class; the last column is the background's.
        table = scores.new_zeros(len(scores), self.model.roi_heads.num_classes + 1)
        table[torch.arange(len(scores), device=scores.device), classes] = scores
        predictor = self.model.roi_heads.box_predictor
        last: Any = predictor[-1] if isinstance(predictor, nn.ModuleList) else predictor
        merged, _ = fast_rcnn_inference_single_image(
            boxes, table, size, 0.0, last.test_nms_thresh, last.test_topk_per_image
        )
        return merged

    def _average_masks(self, inputs: list[dict[str, Any]], transforms: list[Transform], merged: Instances) -> Tensor:
        """Return the mean `(N, 1, M, M)` of the masks in the merged boxes of every version."""
        if len(merged) == 0:
            return merged.scores.new_zeros(0, 1, 1, 1)
        known = []
        for version, transform in zip(inputs, transforms, strict=True):
            boxes = Boxes(_moved(merged.pred_boxes, transform))
            known.append(
                Instances(tuple(version["image"].shape[1:]), pred_boxes=boxes, pred_classes=merged.pred_classes)
            )
        results = self._run(inputs, known)
        upright = [
            found.pred_masks.flip(mirrored_axes(transform)) if mirrored_axes(transform) else found.pred_masks
            for found, transform in zip(results, transforms, strict=True)
        ]
        return torch.stack(upright).mean(dim=0)


@contextlib.contextmanager
def _without_masks(roi_heads: Any) -> Iterator[None]:
    """Switch the mask head off for a while: the first look needs boxes only."""
    had_masks = getattr(roi_heads, "mask_on", False)
    if had_masks:
        roi_heads.mask_on = False
    try:
        yield
    finally:
        if had_masks:
            roi_heads.mask_on = True


def _moved(boxes: Boxes, transform: Transform) -> Tensor:
    """Return boxes `(N, 4)` moved by a transform."""
    moved = transform.apply_box(boxes.tensor.cpu().numpy())
    return torch.from_numpy(moved).to(boxes.tensor)


def mirrored_axes(transform: Transform) -> list[int]:
    """Return the axes of `(N, 1, M, M)` masks that a transform mirrors.

    Raises:
        ValueError: the transform turns or shears the image, so that masks inside boxes cannot follow it.
    """
    origin, right, down = transform.apply_coords(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    (x, turned), (sheared, y) = right - origin, down - origin
    if max(abs(turned), abs(sheared)) > 1e-6:
        raise ValueError(f"GeneralizedRCNNWithTTA: masks cannot follow a transform that turns images: {transform}")
    return list(itertools.compress([3, 2], [x < 0, y < 0]))
