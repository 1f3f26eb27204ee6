"""Converters of predictor outputs, which are selected by the class of the output."""

from .converters import HFlipConverter, ToChartResultConverter, ToChartResultConverterWithConfidences, ToMaskConverter

__all__ = ["HFlipConverter", "ToChartResultConverter", "ToChartResultConverterWithConfidences", "ToMaskConverter"]
