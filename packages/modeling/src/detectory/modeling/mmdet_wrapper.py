"""MMDetection 2 models with the interfaces of this package.

The package `mmdet` is needed only to build a module from its config dictionary, and to pass masks in training.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import ShapeSpec
from detectory.structures import BitMasks, Boxes, ImageList, Instances
from detectory.structures.model_formats import ModelInput, ModelOutput


def _build(part: Any, part_type: str) -> Any:
    """Return `part` if it is a module; otherwise build it with mmdet from the config `part`."""
    if isinstance(part, nn.Module):
        return part
    try:
        from mmcv import ConfigDict
        from mmdet.models import builder
    except ImportError as error:
        raise ImportError(
            f"building a {part_type} from an MMDetection config needs mmcv and mmdet 2: pip install 'mmdet<3' mmcv-full"
        ) from error
    return getattr(builder, f"build_{part_type}")(ConfigDict(part))


class MMDetBackbone(Backbone):
    """An MMDetection backbone with an optional neck; its outputs are named.

    Args:
        backbone: Module that maps images `(B, C, H, W)` to a sequence of feature maps, or its MMDetection config.
        neck: Module that maps these feature maps to another sequence, or its MMDetection config; `None` for no neck.
        output_shapes: Channels and stride of every output.
        output_names: Names of the outputs, by default `"out0"`, `"out1"`, ….

    Raises:
        ImportError: If a part is a config and mmdet is not installed.
    """

    def __init__(
        self,
        backbone: nn.Module | Mapping,
        neck: nn.Module | Mapping | None = None,
        *,
        output_shapes: Sequence[ShapeSpec],
        output_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.backbone: Any = _build(backbone, "backbone")
        self.neck: Any = _build(neck, "neck") if neck is not None else None
        # MMDetection loads pre-trained weights in `init_weights`, not in the constructor.
        for part in (self.backbone, self.neck):
            if part is not None and hasattr(part, "init_weights"):
                part.init_weights()
        names = list(output_names) if output_names else [f"out{i}" for i in range(len(output_shapes))]
        self._output_shapes = dict(zip(names, output_shapes, strict=True))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the named feature maps of images `(B, C, H, W)`."""
        maps = self.backbone(x)
        if self.neck is not None:
            maps = self.neck(maps)
        if not isinstance(maps, (list, tuple)) or len(maps) != len(self._output_shapes):
            count = len(maps) if isinstance(maps, (list, tuple)) else type(maps).__name__
            raise ValueError(f"MMDetBackbone: expected a list of {len(self._output_shapes)} feature maps, got {count}")
        return dict(zip(self._output_shapes, maps, strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the `output_shapes` of the constructor by name."""
        return self._output_shapes


class MMDetDetector(nn.Module):
    """An MMDetection 2 detector with the inputs and outputs of this package's detectors.

    Args:
        detector: Module with the methods `forward_train` and `simple_test`, or its MMDetection config.
        size_divisibility: Height and width of the padded batch are multiples of this number.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.

    Raises:
        ImportError: If `detector` is a config and mmdet is not installed.
    """

    def __init__(
        self,
        detector: nn.Module | Mapping,
        *,
        size_divisibility: int = 32,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__()
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.detector: Any = _build(detector, "detector")
        self.size_divisibility = size_divisibility
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.pixel_mean.device

    def preprocess_image(self, batched_inputs: Sequence[ModelInput]) -> ImageList:
        """Move images to the device, normalize and pad them; return the batch."""
        images = [(item["image"].to(self.device) - self.pixel_mean) / self.pixel_std for item in batched_inputs]
        return ImageList.from_tensors(images, self.size_divisibility)

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or detections (inference) of a batch, as `GeneralizedRCNN` does.

        Raises:
            ValueError: If some inputs have an output height and others do not.
        """
        images = self.preprocess_image(batched_inputs).tensor
        rescale = "height" in batched_inputs[0]
        if any(("height" in item) != rescale for item in batched_inputs):
            raise ValueError("MMDetDetector: height and width must be in all inputs or in none of them")
        metas = [_image_meta(item, images.shape[-2:]) for item in batched_inputs]
        if self.training:
            targets = [item["instances"].to(self.device) for item in batched_inputs]
            masks = {"gt_masks": [_mmdet_masks(t) for t in targets]} if targets[0].has("gt_masks") else {}
            boxes = [t.gt_boxes.tensor for t in targets]
            classes = [t.gt_classes for t in targets]
            return parse_losses(self.detector.forward_train(images, metas, boxes, classes, **masks))
        results = self.detector.simple_test(images, metas, rescale=rescale)
        return [
            {"instances": convert_mmdet_result(result, meta["ori_shape"][:2])}
            for result, meta in zip(results, metas, strict=True)
        ]


def _image_meta(item: ModelInput, padded: Sequence[int]) -> dict[str, Any]:
    """Return the image metadata that MMDetection expects; `padded` is the `(height, width)` of the batch."""
    channels, height, width = item["image"].shape
    original_height, original_width = item.get("height", height), item.get("width", width)
    scale = np.array([width / original_width, height / original_height] * 2, dtype=np.float32)
    return {
        "img_shape": (height, width, channels),
        "ori_shape": (original_height, original_width, channels),
        "pad_shape": (*padded, channels),
        "scale_factor": scale,
        "flip": False,
    }


def _mmdet_masks(targets: Instances) -> Any:
    """Convert ground-truth masks to MMDetection's mask classes."""
    from mmdet.core import BitmapMasks, PolygonMasks

    height, width = targets.image_size
    if isinstance(targets.gt_masks, BitMasks):
        return BitmapMasks(targets.gt_masks.tensor.cpu().numpy(), height, width)
    return PolygonMasks(targets.gt_masks.polygons, height, width)


def parse_losses(values: Mapping[str, Tensor | Sequence[Tensor]]) -> dict[str, Tensor]:
    """Return the losses as scalars; log the other values, metrics such as accuracy, to the active event storage.

    Args:
        values: Tensors, or lists of tensors, by name. The mean of each tensor is taken; the means of a list are summed.

    Returns:
        The scalars whose names contain `"loss"`.
    """
    losses: dict[str, Tensor] = {}
    for name, value in values.items():
        tensors = [value] if isinstance(value, Tensor) else value
        scalar = torch.stack([tensor.mean() for tensor in tensors]).sum()
        if "loss" in name:
            losses[name] = scalar
        elif has_event_storage():
            get_event_storage().put_scalar(name, float(scalar))
    return losses


def convert_mmdet_result(result: Any, shape: tuple[int, int]) -> Instances:
    """Convert the result of MMDetection for one image to `Instances`.

    Args:
        result: For every class an array `(n, 5)` of boxes and scores; or a pair of this list and, for every class, a
            list of `n` bool masks `(H, W)`.
        shape: `(height, width)` of the image.

    Returns:
        `Instances` with `pred_boxes`, `scores`, `pred_classes`, and `pred_masks` if there are masks.
    """
    per_class, masks = result if isinstance(result, tuple) else (result, None)
    rows = torch.from_numpy(np.vstack(per_class))  # (N, 5)
    classes = torch.cat([torch.full((len(boxes),), i) for i, boxes in enumerate(per_class)])
    detections = Instances((shape[0], shape[1]), pred_boxes=Boxes(rows[:, :4]), scores=rows[:, 4], pred_classes=classes)
    if masks is not None and len(detections):
        masks = masks[0] if isinstance(masks, tuple) else masks  # Mask Scoring R-CNN returns (masks, mask scores)
        detections.pred_masks = torch.from_numpy(np.stack(list(itertools.chain(*masks))))
    return detections
