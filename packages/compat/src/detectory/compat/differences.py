"""Settings in which two models with the same weights differ."""

from typing import Any

from torch import nn

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.layers import ROIAlign

#: Settings of modules that change the outputs, with the words of a message.
_SETTINGS = {
    "clip_before_nms": "clipping of boxes before the NMS",
    "topk_per_class": "maximum number of candidates per class",
    "score_rule": "combination of class probability and centerness",
    "min_box_size": "minimum size of proposals",
    "cls_agnostic_bbox_reg": "class-agnostic boxes",
    "use_sigmoid_ce": "sigmoid scores",
    "centerness_on": "input of the centerness",
}


def differences(model: nn.Module, reference: nn.Module, system: str) -> list[str]:
    """Return one sentence per setting in which a model differs from a reference with the same parameters.

    Args:
        model: A detector.
        reference: A detector of the same architecture as another system builds it; its parameters are not used.
        system: Name of the other system.
    """
    found: dict[str, None] = {}
    ours, theirs = dict(model.named_modules()), dict(reference.named_modules())
    for name, other in theirs.items():
        own = ours.get(name)
        if own is None:
            continue
        for message in _of_module(own, other, system):
            found[f"{name or 'model'}: {message}"] = None
    return list(found)


def _of_module(own: Any, other: Any, system: str) -> list[str]:
    messages = [
        f"{words}: {getattr(own, key)}, {system} has {getattr(other, key)}"
        for key, words in _SETTINGS.items()
        if hasattr(own, key) and hasattr(other, key) and getattr(own, key) != getattr(other, key)
    ]
    if isinstance(other, ROIAlign) and isinstance(own, ROIAlign):
        if own.aligned != other.aligned:
            messages.append(f"ROIAlign with aligned={own.aligned}, {system} has aligned={other.aligned}")
        if own.sampling_ratio != other.sampling_ratio:
            messages.append(f"ROIAlign with {own.sampling_ratio} samples, {system} has {other.sampling_ratio}")
    if isinstance(other, DefaultAnchorGenerator):
        names = [type(generator).__name__.removeprefix("Default") for generator in (own, other)]
        if names[0] != names[1]:
            messages.append(f"anchors of {names[0]}, {system} has {names[1]}")
    transforms = [type(getattr(module, "box2box_transform", None)).__name__ for module in (own, other)]
    if transforms[0] != transforms[1]:
        messages.append(f"box deltas of {transforms[0]}, {system} has {transforms[1]}")
    return messages
