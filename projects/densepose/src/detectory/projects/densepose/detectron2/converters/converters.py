"""Converter classes with functions per class of the predictor output."""

from collections.abc import Callable
from typing import Any, ClassVar

from detectory.projects.densepose.converters import (
    hflip,
    to_chart_result,
    to_chart_result_with_confidences,
    to_masks,
)
from detectory.projects.densepose.structures import (
    DensePoseChartPredictorOutput,
    DensePoseEmbeddingPredictorOutput,
)


class BaseConverter:
    """Functions by class; an object of a subclass uses the function of the nearest base class."""

    registry: ClassVar[dict[type, Callable[..., Any]]]

    @classmethod
    def register(cls, from_type: type, converter: Callable[..., Any]) -> None:
        """Set the function for a class and its subclasses."""
        cls.registry[from_type] = converter

    @classmethod
    def convert(cls, instance: Any, *args: Any, **kwargs: Any) -> Any:
        """Convert an object.

        Raises:
            KeyError: If there is not a function for its class.
        """
        for base in type(instance).__mro__:
            if base in cls.registry:
                return cls.registry[base](instance, *args, **kwargs)
        raise KeyError(
            f"{cls.__name__}: cannot convert {type(instance).__name__}, the classes are "
            f"{[known.__name__ for known in cls.registry]}"
        )


class ToMaskConverter(BaseConverter):
    """`convert(output, boxes, image_size_hw)` returns the foreground of all regions as `BitMasks`."""

    registry: ClassVar[dict[type, Callable[..., Any]]] = {
        DensePoseChartPredictorOutput: to_masks,
        DensePoseEmbeddingPredictorOutput: to_masks,
    }


class ToChartResultConverter(BaseConverter):
    """`convert(output[i], boxes[i])` returns the charts of one region as `DensePoseChartResult`."""

    registry: ClassVar[dict[type, Callable[..., Any]]] = {DensePoseChartPredictorOutput: to_chart_result}


class ToChartResultConverterWithConfidences(BaseConverter):
    """`convert(output[i], boxes[i])` returns the charts of one region as `DensePoseChartResultWithConfidences`."""

    registry: ClassVar[dict[type, Callable[..., Any]]] = {
        DensePoseChartPredictorOutput: to_chart_result_with_confidences
    }


class HFlipConverter(BaseConverter):
    """`convert(output, symmetries)` returns the output for the mirrored image."""

    registry: ClassVar[dict[type, Callable[..., Any]]] = {DensePoseChartPredictorOutput: hflip}
