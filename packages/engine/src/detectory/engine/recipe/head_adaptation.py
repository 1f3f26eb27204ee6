"""Adaptation of a detector checkpoint to new classes: the weights of a class are kept by its name."""

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from detectory.data import MetadataCatalog
from detectory.data.classes import ClassList, listed
from detectory.engine.recipe.datasets import dataset_names
from detectory.modeling.meta_arch import FCOSHead, RetinaNetHead, SemSegFPNHead
from detectory.modeling.roi_heads import BaseMaskRCNNHead, FastRCNNOutputLayers

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _ClassLayer:
    """A layer with outputs per class.

    Args:
        name: Prefix of the parameters `weight` and `bias`.
        groups: Number of repetitions of all classes, such as the anchors of a dense head.
        per_class: Number of outputs per class, such as the four box deltas.
        has_background: Whether the background follows the classes.
        is_semantic: Whether the outputs are the stuff classes.
    """

    name: str
    groups: int = 1
    per_class: int = 1
    has_background: bool = False
    is_semantic: bool = False


class HeadAdaptation:
    """Changes the weights of a checkpoint so that every class of a model gets the weights of the class of that name.

    Upper case, `_` and `-` do not matter in the comparison of names. New classes keep the initial weights of the model,
    dropped classes are removed. Box, mask, dense and semantic heads are adapted; keypoint heads are loaded if the
    number of keypoints is the same.

    Args:
        model: The model to be initialized.
        classes: Class names of the model.
        checkpoint_classes: Class names of the checkpoint, if the checkpoint does not contain any.
        stuff: Names of the model's stuff classes and of those of the checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        classes: Sequence[str],
        checkpoint_classes: Sequence[str] = (),
        stuff: tuple[Sequence[str], Sequence[str]] = ((), ()),
    ) -> None:
        self._model = model
        self._classes = tuple(classes)
        self._checkpoint_classes = tuple(checkpoint_classes)
        self._stuff = stuff

    def __call__(self, state: MutableMapping[str, torch.Tensor], content: Mapping[str, Any]) -> None:
        """Adapt the weights in place.

        Args:
            state: Parameter names and tensors of the checkpoint.
            content: The other entries of the checkpoint; `classes` are the class names it was trained on.
        """
        stored = ClassList.from_state(content.get("classes"))
        old = stored.names if stored is not None else self._checkpoint_classes
        things = _matches(old, self._classes)
        stuff = _matches(self._stuff[1], self._stuff[0])
        own = self._model.state_dict()
        adapted = False
        for layer in _class_layers(self._model):
            names, matches = (self._stuff[1], stuff) if layer.is_semantic else (old, things)
            for key in (f"{layer.name}.weight", f"{layer.name}.bias"):
                if key in state and key in own and matches:
                    new = _adapted(state[key], own[key], layer, len(names), matches)
                    if new is not None:
                        state[key], adapted = new, True
        if adapted and tuple(old) != self._classes:
            _logger.info("classes of the initial weights: %s", describe_matches(old, self._classes))


def head_adaptation(config: DictConfig, model: nn.Module, classes: ClassList | None) -> HeadAdaptation | None:
    """Return the adaptation of the recipe's initial weights, or None without `train.init_dataset`.

    Args:
        config: The recipe.
        model: The model to be initialized.
        classes: Classes of the training dataset.
    """
    original = config.train.get("init_dataset")
    if original is None or classes is None:
        return None
    old, new = (MetadataCatalog.get(name) for name in (original, *dataset_names(config, "train")[:1]))
    stuff = tuple(new.get("stuff_classes") or ()), tuple(old.get("stuff_classes") or ())
    return HeadAdaptation(model, classes.names, tuple(old.get("thing_classes") or ()), stuff)


def describe_matches(old: Sequence[str], new: Sequence[str]) -> str:
    """Return which classes of a checkpoint are kept, new and dropped in a model with the classes `new`."""
    matches = _matches(old, new)
    kept = [name for name, match in zip(new, matches, strict=True) if match is not None]
    fresh = [name for name, match in zip(new, matches, strict=True) if match is None]
    used = {match for match in matches if match is not None}
    dropped = [name for index, name in enumerate(old) if index not in used]
    return f"kept {listed(kept)}; new {listed(fresh)}; dropped {listed(dropped)}"


def _matches(old: Sequence[str], new: Sequence[str]) -> list[int | None]:
    """Return for every new class the index of the old class of that name, or None."""
    exact = {name: index for index, name in reversed(list(enumerate(old)))}
    plain = {_plain(name): index for index, name in reversed(list(enumerate(old)))}
    return [exact.get(name, plain.get(_plain(name))) for name in new] if old else []


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _class_layers(model: nn.Module) -> Iterator[_ClassLayer]:
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        if isinstance(module, FastRCNNOutputLayers):
            yield _ClassLayer(f"{prefix}cls_score", has_background=True)
            outputs = module.bbox_pred.out_features
            if outputs % module.num_classes == 0 and not module.cls_agnostic_bbox_reg:
                yield _ClassLayer(f"{prefix}bbox_pred", per_class=outputs // module.num_classes)
        elif isinstance(module, (RetinaNetHead, FCOSHead)):
            anchors = module.cls_score.out_channels // module.num_classes
            yield _ClassLayer(f"{prefix}cls_score", groups=anchors)
        elif isinstance(module, BaseMaskRCNNHead) and isinstance(getattr(module, "predictor", None), nn.Conv2d):
            yield _ClassLayer(f"{prefix}predictor")
        elif isinstance(module, SemSegFPNHead):
            yield _ClassLayer(f"{prefix}predictor", is_semantic=True)


def _adapted(
    old: torch.Tensor, new: torch.Tensor, layer: _ClassLayer, num_old: int, matches: Sequence[int | None]
) -> torch.Tensor | None:
    """Return a parameter of the model's shape, or None if the checkpoint's parameter has other outputs."""
    extra = int(layer.has_background)
    rows_old = layer.groups * (num_old * layer.per_class + extra)
    rows_new = layer.groups * (len(matches) * layer.per_class + extra)
    if old.shape[0] != rows_old or new.shape[0] != rows_new or old.shape[1:] != new.shape[1:]:
        return None
    result = new.detach().clone()
    source = old.to(result).view(layer.groups, -1, *old.shape[1:])
    target = result.view(layer.groups, -1, *new.shape[1:])
    for index, match in enumerate(matches):
        if match is not None:
            size = layer.per_class
            target[:, index * size : (index + 1) * size] = source[:, match * size : (match + 1) * size]
    if extra:
        target[:, -1] = source[:, -1]
    return result
