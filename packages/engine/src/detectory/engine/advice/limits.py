"""Advice on images with more objects than a model detects or an evaluation counts."""

import math
from collections.abc import Iterator

from detectory.data.statistics import DatasetStatistics
from detectory.engine.advice.advice import Advice, counted, override
from detectory.engine.advice.recipe_view import Limit, RecipeView

_PRE_NMS = "model.proposal_generator.pre_nms_topk"
_CANDIDATES = "model.test_topk_candidates"


def advise_on_limits(statistics: DatasetStatistics, view: RecipeView) -> Iterator[Advice]:
    """Yield advice on the maximum numbers of proposals and detections of an image."""
    most = int(statistics.objects_per_image.max(initial=0))
    if exceeded := [limit for limit in view.proposal_limits if limit.value < most]:
        value = _rounded_up(2 * most)
        settings = [override(limit.key, value) for limit in exceeded]
        # The proposals are chosen from this number of candidates of each level.
        candidates = view.get(_PRE_NMS) or []
        indices = [int(limit.key.rpartition(".")[2]) for limit in exceeded]
        settings += [
            override(f"{_PRE_NMS}.{i}", value) for i in indices if i < len(candidates) and candidates[i] < value
        ]
        yield _advice("proposals", most, exceeded, settings, "proposals")
    if exceeded := [limit for limit in view.detection_limits if limit.value < most]:
        value = _rounded_up(most * 1.25)
        settings = [override(limit.key, value) for limit in exceeded]
        candidates = view.get(_CANDIDATES)
        if candidates is not None and candidates < value:
            settings.append(override(_CANDIDATES, value))
        yield _advice("detections", most, exceeded, settings, "detections")


def _advice(topic: str, most: int, exceeded: list[Limit], settings: list[str], noun: str) -> Advice:
    least = min(limit.value for limit in exceeded)
    message = f"An image has {counted(most, 'object')}, but the recipe allows {least:,} {noun} per image"
    return Advice(f"more objects than {topic}", message, "Raise the limits", tuple(settings))


def _rounded_up(number: float) -> int:
    return math.ceil(number / 50) * 50
