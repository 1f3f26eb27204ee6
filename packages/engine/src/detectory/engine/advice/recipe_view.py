"""RecipeView: the settings of a recipe that decide which objects a detector can learn."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from detectory.core.config import dotted_path, locate

_AUGMENTATIONS = "dataloader.{}.mapper.augmentations"
_ANCHOR_KEYS = ("model.proposal_generator.anchor_generator", "model.anchor_generator")
_NUM_ANCHORS_KEYS = {
    "model.proposal_generator.anchor_generator": "model.proposal_generator.head.num_anchors",
    "model.anchor_generator": "model.head.num_anchors",
}
#: Pixels per cell of the finest feature map of dense detectors without configured anchors (FCOS): p3.
_DENSE_STRIDE = 8
_FINEST_STRIDE = 4


@dataclass(frozen=True)
class Limit:
    """A maximum number of boxes of an image.

    Attributes:
        key: Key of the setting; index of the last element for a list.
        value: The maximum.
    """

    key: str
    value: int


@dataclass(frozen=True)
class ResizeRule:
    """A resize of the shorter side to a length, with a maximum of the longer side.

    Attributes:
        keys: The keys of the augmentation in the training and the evaluation loader; one of them may be missing.
        short_edge: Length of the shorter side in the evaluation, in pixels; 0 keeps the size.
        max_size: Maximum length of the longer side, in pixels; may be infinite.
    """

    keys: tuple[str, ...]
    short_edge: float
    max_size: float

    @property
    def is_in_both_loaders(self) -> bool:
        """Whether the training and the evaluation have this augmentation."""
        return len(self.keys) == 2

    def scales(self, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """Return the factor by which images are resized, with the shape of `heights` and `widths`."""
        if self.short_edge <= 0:
            return np.ones(np.shape(heights))
        scales = self.short_edge / np.minimum(heights, widths).clip(min=1)
        return np.minimum(scales, self.max_size / np.maximum(heights, widths).clip(min=1))


class RecipeView:
    """The settings of a recipe that decide which objects a detector can learn; settings that it lacks are None.

    Args:
        config: The recipe.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value in plain Python types, or the default of the argument in the signature of its call."""
        if OmegaConf.select(self.config, key) is not None:
            value = OmegaConf.select(self.config, key)
            return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        parent, _, name = key.rpartition(".")
        return _default_argument(OmegaConf.select(self.config, parent), name, default)

    @cached_property
    def resize(self) -> ResizeRule | None:
        """The resize rule of `ResizeShortestEdge` in both loaders, or None for other augmentations."""
        keys = [key for loader in ("train", "test") if (key := self._resize_key(loader))]
        if not keys:
            return None
        lengths = self.get(f"{keys[-1]}.short_edge_length")
        max_size = OmegaConf.select(self.config, f"{keys[-1]}.max_size")
        return ResizeRule(tuple(keys), float(np.median(lengths)), math.inf if max_size is None else float(max_size))

    @cached_property
    def anchor_key(self) -> str | None:
        """Key of the anchor generator; None without configurable anchors."""
        return next((key for key in _ANCHOR_KEYS if self.get(f"{key}.sizes") is not None), None)

    @property
    def num_anchors_key(self) -> str | None:
        """Key of the number of anchors per location in the dense head, if the recipe sets it."""
        key = _NUM_ANCHORS_KEYS.get(self.anchor_key or "")
        return key if key and OmegaConf.select(self.config, key) is not None else None

    @cached_property
    def anchor_sizes(self) -> list[Any]:
        """Anchor sizes in pixels, nested as in the recipe; empty without anchors."""
        return self.get(f"{self.anchor_key}.sizes", []) if self.anchor_key else []

    @cached_property
    def aspect_ratios(self) -> list[float]:
        """Ratios of height to width of the anchors of all levels, sorted; empty without anchors."""
        return sorted(set(flat(self.get(f"{self.anchor_key}.aspect_ratios", [])))) if self.anchor_key else []

    @property
    def finest_stride(self) -> int:
        """Pixels per cell of the finest feature map on which objects are detected."""
        if self.anchor_key and (strides := self.get(f"{self.anchor_key}.strides")):
            return int(min(strides))
        return _FINEST_STRIDE if "roi_heads" in self.config.model else _DENSE_STRIDE

    @property
    def detection_limits(self) -> list[Limit]:
        """Maximum numbers of detections of an image, of the model and of the evaluation."""
        stages = OmegaConf.select(self.config, "model.roi_heads.box_predictors")
        last = [f"model.roi_heads.box_predictors.{len(stages) - 1}.test_topk_per_image"] if stages else []
        keys = ["model.roi_heads.box_predictor.test_topk_per_image", *last, "model.max_detections_per_image"]
        limits = [Limit(key, int(value)) for key in keys if (value := self.get(key)) is not None]
        return limits + [limit for key in self._evaluators() if (limit := self._evaluated(key))]

    @property
    def proposal_limits(self) -> list[Limit]:
        """Maximum numbers of proposals of an image in training and inference."""
        key = "model.proposal_generator.post_nms_topk"
        values = self.get(key) or []
        return [Limit(f"{key}.{index}", int(value)) for index, value in enumerate(values)]

    @property
    def repeats_rare_classes(self) -> bool:
        """Whether the loader repeats images with rare classes, or has another sampler."""
        keys = ("dataloader.train.repeat_threshold", "dataloader.train.sampler")
        return any(OmegaConf.select(self.config, key) is not None for key in keys)

    def _resize_key(self, loader: str) -> str | None:
        key = _AUGMENTATIONS.format(loader)
        nodes = OmegaConf.select(self.config, key) or []
        names = [_target_name(node) for node in nodes]
        found = [index for index, name in enumerate(names) if name == "ResizeShortestEdge"]
        return f"{key}.{found[-1]}" if found else None

    def _evaluators(self) -> list[str]:
        key = "dataloader.evaluator"
        node = OmegaConf.select(self.config, key)
        return [f"{key}.{index}" for index in range(len(node))] if OmegaConf.is_list(node) else [key]

    def _evaluated(self, key: str) -> Limit | None:
        """Return the number of detections that an evaluator of COCO or LVIS counts."""
        name = _target_name(OmegaConf.select(self.config, key))
        defaults = {"COCOEvaluator": 100, "LVISEvaluator": 300}
        if name not in defaults:
            return None
        value = self.get(f"{key}.max_dets_per_image") or defaults[name]
        return Limit(f"{key}.max_dets_per_image", int(value[-1] if isinstance(value, Sequence) else value))


def flat(values: Any) -> list[float]:
    """Return the numbers of a nested list."""
    if isinstance(values, (list, tuple)):
        return [number for value in values for number in flat(value)]
    return [float(values)]


def _target(node: Any) -> Any:
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    return locate(target) if isinstance(target, str) else target


def _target_name(node: Any) -> str:
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    path = target if isinstance(target, str) or target is None else dotted_path(target)
    return (path or "").rpartition(".")[2]


def _default_argument(node: Any, name: str, default: Any) -> Any:
    target = _target(node)
    if target is None:
        return default
    parameter = inspect.signature(target).parameters.get(name)
    return default if parameter is None or parameter.default is parameter.empty else parameter.default
