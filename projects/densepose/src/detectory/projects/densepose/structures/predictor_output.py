"""Outputs of the predictors of charts and of embeddings, one entry per region."""

from dataclasses import dataclass, fields, make_dataclass
from typing import Any

import torch


class PredictorOutput:
    """Base class of predictor outputs: dataclasses with tensors of shape `(N, C, S, S)`, or `None`, as fields."""

    def __len__(self) -> int:
        """Return the number of regions, `N`."""
        return self._tensors()[0].shape[0]

    def _tensors(self) -> list[torch.Tensor]:
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return [value for value in values if isinstance(value, torch.Tensor)]

    def _map(self, function: Any) -> Any:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**{n: v if v is None else function(v) for n, v in values.items()})

    def __getitem__(self, item: Any) -> Any:
        """Select regions.

        Args:
            item: An int, a slice, an index tensor or a bool mask. An int selects one region and keeps the first axis.
        """
        index = item
        if isinstance(item, int):
            if not -len(self) <= item < len(self):
                raise IndexError(f"{type(self).__name__}: index {item} is out of range for {len(self)} regions")
            index = slice(item % len(self), item % len(self) + 1)
        return self._map(lambda value: value[index])

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Return a copy with all tensors moved as by `Tensor.to`."""
        return self._map(lambda value: value.to(*args, **kwargs))

    @classmethod
    def cat(cls, outputs: list[Any]) -> Any:
        """Concatenate outputs of the same class along the regions."""
        first = outputs[0]
        values = {}
        for field in fields(first):
            parts = [getattr(output, field.name) for output in outputs]
            values[field.name] = None if parts[0] is None else torch.cat(parts)
        return type(first)(**values)


@dataclass
class DensePoseChartPredictorOutput(PredictorOutput):
    """Charts of `N` regions on a grid of `S x S` cells.

    Attributes:
        coarse_segm: `(N, 2 or 15, S, S)` logits of background and foreground, or of background and 14 body parts.
        fine_segm: `(N, 25, S, S)` logits of background and the 24 charts.
        u: `(N, 25, S, S)` coordinate U in each chart, in [0, 1].
        v: `(N, 25, S, S)` coordinate V in each chart, in [0, 1].

    Source: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018, section 3.
    """

    coarse_segm: torch.Tensor
    fine_segm: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor


@dataclass
class DensePoseEmbeddingPredictorOutput(PredictorOutput):
    """Embeddings of `N` regions on a grid of `S x S` cells.

    Attributes:
        embedding: `(N, D, S, S)` position on the surface of each cell, in the space of the vertex embeddings.
        coarse_segm: `(N, 2, S, S)` logits of background and foreground.

    Source: Neverova et al., "Continuous Surface Embeddings", 2020, section 3.
    """

    embedding: torch.Tensor
    coarse_segm: torch.Tensor


#: Fields of confidences, all optional: those of U and V per chart, those of the segmentations with one channel.
CONFIDENCE_FIELDS = (
    "sigma_1",
    "sigma_2",
    "kappa_u",
    "kappa_v",
    "fine_segm_confidence",
    "coarse_segm_confidence",
)

_with_confidences: dict[type, type] = {}


def decorate_predictor_output_class_with_confidences(base: type) -> type:
    """Return a subclass of a predictor output with the optional fields `CONFIDENCE_FIELDS`.

    Repeated calls return the same class, which can be pickled.
    """
    if base not in _with_confidences:
        names = [(name, torch.Tensor | None, None) for name in CONFIDENCE_FIELDS]
        name = f"{base.__name__}WithConfidences"
        made = make_dataclass(name, names, bases=(base,), namespace={"__module__": __name__, "__doc__": base.__doc__})
        globals()[name] = _with_confidences[base] = made
    return _with_confidences[base]


DensePoseChartPredictorOutputWithConfidences = decorate_predictor_output_class_with_confidences(
    DensePoseChartPredictorOutput
)
DensePoseEmbeddingPredictorOutputWithConfidences = decorate_predictor_output_class_with_confidences(
    DensePoseEmbeddingPredictorOutput
)
