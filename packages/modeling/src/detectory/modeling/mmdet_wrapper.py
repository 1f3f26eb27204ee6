"""Models of MMDetection 2 behind this package's interfaces.

MMDetection itself (`mmdet`) is needed only where a config dictionary is given instead of a module, and to
hand over masks in training.
"""

from __future__ import annotations

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


def _build(part: Any, kind: str) -> Any:
    """Return a module, built by mmdet from its config if it is one."""
    if isinstance(part, nn.Module):
        return part
    try:
        from mmcv import ConfigDict
        from mmdet.models import builder
    except ImportError as error:
        raise ImportError(
            f"building a {kind} from an MMDetection config needs mmcv and mmdet 2: pip install 'mmdet<3' mmcv-full"
        ) from error
    return getattr(builder, f"build_{kind}")(ConfigDict(part))


class MMDetBackbone(Backbone):
    """A backbone of MMDetection, and perhaps its neck, whose outputs get names.

    Args:
        backbone: Module from images `(B, C, H, W)` to a sequence of maps, or its config.
        neck: Module from these maps to another sequence, or its config; `None` for none.
        output_shapes: Channels and stride of every output.
        output_names: Names of the outputs, by default `"out0"`, `"out1"`, ….
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
        # MMDetection loads pre-trained weights here, not when a module is made.
        for part in (self.backbone, self.neck):
            if part is not None and hasattr(part, "init_weights"):
                part.init_weights()
        names = list(output_names) if output_names else [f"out{i}" for i in range(len(output_shapes))]
        self._output_shapes = dict(zip(names, output_shapes, strict=True))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to named maps."""
        maps = self.backbone(x)
        if self.neck is not None:
            maps = self.neck(maps)
        if not isinstance(maps, (list, tuple)) or len(maps) != len(self._output_shapes):
            count = len(maps) if isinstance(maps, (list, tuple)) else type(maps).__name__
            raise ValueError(f"MMDetBackbone: expected {len(self._output_shapes)} maps in a list, got {count}")
        return dict(zip(self._output_shapes, maps, strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the shapes that were given."""
        return self._output_shapes


class MMDetDetector(nn.Module):
    """A detector of MMDetection 2 that takes and gives what this package's detectors do.

    Args:
        detector: Module with `forward_train` and `simple_test`, or its config.
        size_divisibility: Images are padded to multiples of this.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
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
        """Where the model lives."""
        return self.pixel_mean.device

    def preprocess_image(self, batched_inputs: Sequence[dict[str, Any]]) -> ImageList:
        """Bring images to the model's device, normalise, pad and batch them."""
        images = [(item["image"].to(self.device) - self.pixel_mean) / self.pixel_std for item in batched_inputs]
        return ImageList.from_tensors(images, self.size_divisibility)

    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or detect in, a batch; inputs and results as for `GeneralizedRCNN`.

        Raises:
            ValueError: if only some inputs have a wanted height and width.
        """
        images = self.preprocess_image(batched_inputs).tensor
        rescale = "height" in batched_inputs[0]
        if any(("height" in item) != rescale for item in batched_inputs):
            raise ValueError("MMDetDetector: either all inputs have height and width or none")
        metas = [_image_meta(item, images.shape[-2:]) for item in batched_inputs]
        if self.training:
            truth = [item["instances"].to(self.device) for item in batched_inputs]
            masks = {"gt_masks": [_mmdet_masks(t) for t in truth]} if truth[0].has("gt_masks") else {}
            boxes, classes = [t.gt_boxes.tensor for t in truth], [t.gt_classes for t in truth]
            return parse_losses(self.detector.forward_train(images, metas, boxes, classes, **masks))
        results = self.detector.simple_test(images, metas, rescale=rescale)
        pairs = zip(results, metas, strict=True)
        return [{"instances": convert_mmdet_result(result, meta["ori_shape"][:2])} for result, meta in pairs]


def _image_meta(item: dict[str, Any], padded: Sequence[int]) -> dict[str, Any]:
    """Return what MMDetection wants to know of an image."""
    channels, height, width = item["image"].shape
    wanted = (item.get("height", height), item.get("width", width))
    scale = np.array([width / wanted[1], height / wanted[0]] * 2, dtype=np.float32)
    return {
        "img_shape": (height, width, channels),
        "ori_shape": (*wanted, channels),
        "pad_shape": (*padded, channels),
        "scale_factor": scale,
        "flip": False,
    }


def _mmdet_masks(truth: Instances) -> Any:
    """Return ground-truth masks as MMDetection's classes."""
    from mmdet.core import BitmapMasks, PolygonMasks

    height, width = truth.image_size
    if isinstance(truth.gt_masks, BitMasks):
        return BitmapMasks(truth.gt_masks.tensor.cpu().numpy(), height, width)
    return PolygonMasks(truth.gt_masks.polygons, height, width)


def parse_losses(values: Mapping[str, Tensor | Sequence[Tensor]]) -> dict[str, Tensor]:
    """Return scalars whose names contain `"loss"`; log the others, which are figures such as accuracy.

    Args:
        values: Tensors, or lists of tensors whose means are added.
    """
    losses: dict[str, Tensor] = {}
    for name, value in values.items():
        scalar = torch.stack([part.mean() for part in ([value] if isinstance(value, Tensor) else value)]).sum()
        if "loss" in name:
            losses[name] = scalar
        elif has_event_storage():
            get_event_storage().put_scalar(name, float(scalar))
    return losses


def convert_mmdet_result(result: Any, shape: tuple[int, int]) -> Instances:
    """Return MMDetection's result of one image as `Instances`.

    Args:
        result: For every class an array `(n, 5)` of boxes and scores; or a pair of that and, for every class,
            a list of `n` bool arrays `(H, W)`.
        shape: `(height, width)` of the image.
    """
    per_class, masks = result if isinstance(result, tuple) else (result, None)
    rows = torch.from_numpy(np.vstack(per_class))  # (N, 5)
    classes = torch.cat([torch.full((len(boxes),), i) for i, boxes in enumerate(per_class)])
    found = Instances((shape[0], shape[1]), pred_boxes=Boxes(rows[:, :4]), scores=rows[:, 4], pred_classes=classes)
    if masks is not None and len(found):
        masks = masks[0] if isinstance(masks, tuple) else masks  # Mask Scoring R-CNN adds its scores
        found.pred_masks = torch.from_numpy(np.stack(list(itertools.chain(*masks))))
    return found
