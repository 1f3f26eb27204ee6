"""Named sets of pixel conventions, and their application to a model."""

import functools
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, open_dict
from torch import nn

from detectory.core.config import locate
from detectory.core.suggestions import nearest
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ROIAlign
from detectory.modeling.meta_arch import DenseDetector
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.proposal_generator import RPN
from detectory.modeling.roi_heads import CascadeROIHeads
from detectory.modeling.roi_heads.box_inference import detect_each, select_detections
from detectory.ops import batched_nms
from detectory.structures import Boxes

from .anchors import legacy_cell
from .box_transform import LegacyBox2BoxTransform
from .boxes import InclusiveBoxes, PixelBoxes, inclusive_nms
from .masks import PaddedWholePixelMasks, WholePixelMasks, paste_by
from .roi_align import InclusiveROIAlign

_MASK_CLASSES = {"whole-pixels": WholePixelMasks, "padded-whole-pixels": PaddedWholePixelMasks}


@dataclass(frozen=True)
class LegacyRules:
    """Pixel conventions of an older system.

    Args:
        anchors: `"detectron"`: sides of the anchors of one stride are rounded and then scaled; `"mmdet"`: corners are
            rounded; `None`: exact anchors.
        pixel_offset: Added to `x2 - x1` and `y2 - y1` for the sizes that box deltas refer to; 0 or 1.
        exact_corners: As for `LegacyBox2BoxTransform`.
        clip_to_last_pixel: Whether boxes end at `(width - 1, height - 1)` instead of `(width, height)`.
        inclusive_sizes: Whether the last pixel counts in NMS, in the minimum size of proposals, and in the areas that
            determine the pyramid level of a region.
        aligned: Whether `ROIAlign` subtracts the half pixel.
        pool_last_pixel: Whether `ROIAlign` ends after the last pixel, and regions smaller than a feature cell keep
            their size.
        sampling_ratio: Samples per bin of `ROIAlign` and side; `None` keeps the setting of the model.
        paste_masks: `"whole-pixels"` resizes masks to boxes of whole pixels; `"padded-whole-pixels"` also surrounds
            them with zeros; `None`: the current pasting at pixel centers.
        clip_before_nms: Whether one-stage detectors clip boxes before the NMS.
    """

    anchors: str | None = None
    pixel_offset: int = 0
    exact_corners: bool = True
    clip_to_last_pixel: bool = False
    inclusive_sizes: bool = False
    aligned: bool = True
    pool_last_pixel: bool = False
    sampling_ratio: int | None = None
    paste_masks: str | None = None
    clip_before_nms: bool = False

    def __post_init__(self) -> None:
        if self.anchors not in (None, "detectron", "mmdet"):
            raise ValueError(f"LegacyRules: anchors must be 'detectron', 'mmdet' or None, got {self.anchors!r}")
        if self.paste_masks not in (None, *_MASK_CLASSES):
            raise ValueError(
                f"LegacyRules: paste_masks must be one of {', '.join(map(repr, _MASK_CLASSES))} or None,"
                f" got {self.paste_masks!r}"
            )
        if self.pixel_offset not in (0, 1):
            raise ValueError(f"LegacyRules: pixel_offset must be 0 or 1, got {self.pixel_offset}")


#: Detectron (Caffe2).
DETECTRON = LegacyRules(
    anchors="detectron",
    pixel_offset=1,
    clip_to_last_pixel=True,
    inclusive_sizes=True,
    aligned=False,
    paste_masks="padded-whole-pixels",
    clip_before_nms=True,
)

#: maskrcnn-benchmark, with the conventions of Detectron.
MASKRCNN_BENCHMARK = DETECTRON

#: The configs `legacy_1.x` of MMDetection 2 and 3, for checkpoints of MMDetection 1.x.
MMDET_LEGACY = LegacyRules(
    anchors="mmdet",
    pixel_offset=1,
    exact_corners=False,
    clip_to_last_pixel=True,
    aligned=False,
    sampling_ratio=2,
    clip_before_nms=True,
)

#: MMDetection 1.x itself.
MMDET_1_0 = LegacyRules(
    anchors="mmdet",
    pixel_offset=1,
    clip_to_last_pixel=True,
    inclusive_sizes=True,
    aligned=False,
    pool_last_pixel=True,
    sampling_ratio=2,
    paste_masks="whole-pixels",
    clip_before_nms=True,
)


#: The rules by the names of their systems.
RULES = {
    "detectron": DETECTRON,
    "maskrcnn-benchmark": MASKRCNN_BENCHMARK,
    "mmdet-legacy": MMDET_LEGACY,
    "mmdet-1.0": MMDET_1_0,
}


def legacy_model(*, model_class: str, rules: str, **arguments: Any) -> Any:
    """Build a model with the pixel conventions of an older system, as the target of a config.

    Args:
        model_class: Dotted path of the model's class.
        rules: A key of `RULES`.
        arguments: Arguments of the class.

    Raises:
        ValueError: If `rules` is unknown.
    """
    if rules not in RULES:
        raise ValueError(f"legacy_model: unknown rules {rules!r}; {nearest(rules, RULES)}")
    return use_legacy_rules(locate(model_class)(**arguments), RULES[rules])


def set_legacy_rules(config: DictConfig, rules: str) -> None:
    """Let a model config build its model by `legacy_model`; its other keys do not change.

    Args:
        config: Config of a two-stage or one-stage detector; modified in place.
        rules: A key of `RULES`.
    """
    target = config["_target_"]
    with open_dict(config):
        config.model_class = target if isinstance(target, str) else f"{target.__module__}.{target.__qualname__}"
        config.rules = rules
        config["_target_"] = f"{legacy_model.__module__}.legacy_model"


def use_legacy_rules(model: Any, rules: LegacyRules) -> Any:
    """Switch a model in place to the pixel conventions of an older system.

    Args:
        model: A two-stage detector or a RetinaNet with the current conventions. Its weights are not changed.
        rules: The conventions, for example `DETECTRON`.

    Returns:
        The same model.

    Raises:
        ValueError: If the model has no box deltas, or already has legacy conventions.
    """
    changed = [_change(module, rules) for module in model.modules()]
    if not any(changed):
        raise ValueError(f"use_legacy_rules: model must have box deltas, got {type(model).__name__}")
    return model


def _change(module: nn.Module, rules: LegacyRules) -> bool:
    """Apply the rules to one module; return whether its box transform has been replaced."""
    target: Any = module
    if isinstance(module, ROIPooler):
        _change_pooler(module, rules)
    if rules.paste_masks is not None and getattr(module, "mask_on", False):
        paste_by(module, _MASK_CLASSES[rules.paste_masks])
    if isinstance(module, CascadeROIHeads):
        target._box_class = box_geometry(rules)[0]
    if type(getattr(module, "box2box_transform", None)) is not Box2BoxTransform:
        return False
    box_class, nms = box_geometry(rules)
    if rules.pixel_offset:
        old = target.box2box_transform
        target.box2box_transform = LegacyBox2BoxTransform(old.weights, old.scale_clamp, rules.exact_corners)
    generator = getattr(module, "anchor_generator", None)
    if rules.anchors is not None and isinstance(generator, DefaultAnchorGenerator):
        for cell, stride in zip(generator.cell_anchors, generator.strides, strict=True):
            cell.copy_(legacy_cell(cell, stride, round_sides=rules.anchors == "detectron"))
        generator.offset = 0.0
    if isinstance(module, RPN | DenseDetector):
        target._box_class, target._batched_nms = box_class, nms
    if isinstance(module, DenseDetector):
        module.clip_before_nms = rules.clip_before_nms
    if hasattr(module, "predict_boxes"):
        select = functools.partial(select_detections, box_class=box_class, nms=nms)
        target._inference = functools.partial(detect_each, select)
    return True


def _change_pooler(pooler: ROIPooler, rules: LegacyRules) -> None:
    if rules.sampling_ratio is not None:
        pooler.sampling_ratio = rules.sampling_ratio
    for level, layer in enumerate(pooler.level_poolers):
        if isinstance(layer, ROIAlign):
            layer_class = InclusiveROIAlign if rules.pool_last_pixel else ROIAlign
            settings = (layer.output_size, layer.spatial_scale, pooler.sampling_ratio, rules.aligned)
            pooler.level_poolers[level] = layer_class(*settings)


def box_geometry(rules: LegacyRules) -> tuple[type[Boxes], Any]:
    """Return the class of the boxes and the batched NMS of a set of rules."""
    if rules.inclusive_sizes:
        return InclusiveBoxes, inclusive_nms
    return (PixelBoxes if rules.clip_to_last_pixel else Boxes), batched_nms
