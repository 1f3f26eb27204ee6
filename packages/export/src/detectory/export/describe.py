"""`describe`: the description of a model for its exported file."""

from typing import Any

from torch import nn

from detectory.data.classes import ClassList
from detectory.export.description import Description
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.modeling.meta_arch import PanopticFPN

_THRESHOLDS = {
    "test_score_thresh": "score",
    "test_nms_thresh": "nms",
    "test_topk_per_image": "max_detections",
    "max_detections_per_image": "max_detections",
    "test_topk_candidates": "candidates_per_level",
}
_PANOPTIC = ("combine_overlap_thresh", "combine_stuff_area_thresh", "combine_instances_score_thresh")


def describe(
    model: nn.Module,
    graph: InferenceGraph,
    settings: ExportSettings,
    resize: tuple[int, int],
    classes: ClassList | None = None,
) -> Description:
    """Return the description of a model and its graph.

    Args:
        model: The model.
        graph: Its graph, with `output_names`.
        settings: The arguments of the export.
        resize: Target of the shorter side and limit of the longer side, pixels.
        classes: Class names and category ids.
    """
    source: Any = model
    return Description(
        architecture=type(model).__name__,
        input_names=graph.input_names,
        output_names=graph.output_names,
        input_format=getattr(model, "input_format", None) or "BGR",
        pixel_mean=tuple(source.pixel_mean.flatten().tolist()),
        pixel_std=tuple(source.pixel_std.flatten().tolist()),
        shortest_side=resize[0],
        longest_side=resize[1],
        height=settings.height,
        width=settings.width,
        batch=settings.batch,
        dtype=settings.dtype,
        thresholds=_thresholds(model),
        clip_before_nms=bool(getattr(model, "clip_before_nms", False)),
        panoptic={name: getattr(model, name) for name in _PANOPTIC} if isinstance(model, PanopticFPN) else {},
        classes={} if classes is None else classes.state_dict(),
    )


def _thresholds(model: nn.Module) -> dict[str, float]:
    """Return the thresholds of the last module that has them: a box predictor or a one-stage detector."""
    found: dict[str, float] = {}
    for module in model.modules():
        for attribute, name in _THRESHOLDS.items():
            value = getattr(module, attribute, None)
            if isinstance(value, int | float):
                found[name] = value
    return found
