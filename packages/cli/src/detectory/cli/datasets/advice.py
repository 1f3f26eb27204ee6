"""Advice on the training splits of a dataset path, for `detectory data stats`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from detectory.data.sources import Source
from detectory.data.statistics import DatasetStatistics
from detectory.engine.advice import Advice, advise, format_advice
from detectory.engine.plan import DatasetFacts, choose_recipe
from detectory.engine.recipe.lookup import load_recipe

_EVALUATED = ("val", "test")


@dataclass(frozen=True)
class SplitAdvice:
    """Advice on a training split.

    Attributes:
        source: The split.
        recipe: Name of the recipe.
        reason: Why the recipe was chosen; empty if the user named it.
        pieces: The advice; empty if the recipe fits.
    """

    source: Source
    recipe: str
    reason: str
    pieces: list[Advice]

    def __str__(self) -> str:
        """Return the advice as text."""
        reason = f" ({self.reason})" if self.reason else ""
        title = f"advice on {self.source} for {self.recipe}{reason}:"
        return f"{title}\n{format_advice(self.pieces)}" if self.pieces else f"{title} the recipe fits"

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe and the advice in plain types."""
        return {"recipe": self.recipe, "pieces": [asdict(piece) for piece in self.pieces]}


def advise_on_splits(counted: Mapping[Source, DatasetStatistics], recipe: str | None = None) -> list[SplitAdvice]:
    """Return advice for every split that is not for evaluation.

    Args:
        counted: The statistics of the splits.
        recipe: Zoo name or file of a recipe; None chooses one by the annotations and the device.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results = []
    for source, statistics in counted.items():
        if source.split.startswith(_EVALUATED):
            continue
        name, reason = (recipe, "") if recipe is not None else choose_recipe(_facts(statistics), device)
        val = _validation_split(source, counted)
        results.append(SplitAdvice(source, name, reason, advise(statistics, load_recipe(name), val)))
    return results


def _facts(statistics: DatasetStatistics) -> DatasetFacts:
    masks = statistics.objects_with["mask"]
    keypoints = statistics.objects_with["keypoints"]
    return DatasetFacts(
        images=statistics.images,
        objects=statistics.objects,
        masks={"none": statistics.objects - masks, "polygons": masks},
        keypoints={1: keypoints},
    )


def _validation_split(train: Source, counted: Mapping[Source, DatasetStatistics]) -> DatasetStatistics | None:
    """Return the statistics of the validation split that belongs to a training split, if it was counted."""
    candidates = [source for source in counted if source.split.startswith("val") and source.format == train.format]
    name = train.path.name.replace("train", "val")
    same = [source for source in candidates if source.path.name in (name, train.path.name)]
    chosen = same or (candidates if len(candidates) == 1 else [])
    return counted[chosen[0]] if chosen else None
