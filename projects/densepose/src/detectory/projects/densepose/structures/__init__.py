"""Annotations, predictor outputs, results and meshes."""

from .annotation import DensePoseDataRelative
from .annotation_list import DensePoseList
from .chart_result import (
    DensePoseChartResult,
    DensePoseChartResultCompressed,
    DensePoseChartResultQuantized,
    DensePoseChartResultWithConfidences,
    compress_quantized_densepose_chart_result,
    decompress_compressed_densepose_chart_result,
    quantize_densepose_chart_result,
)
from .mesh import Mesh, MeshCatalog, MeshInfo, create_mesh, register_mesh
from .predictor_output import (
    DensePoseChartPredictorOutput,
    DensePoseEmbeddingPredictorOutput,
    PredictorOutput,
    decorate_predictor_output_class_with_confidences,
)
from .symmetry import DensePoseTransformData

__all__ = [
    "DensePoseChartPredictorOutput",
    "DensePoseChartResult",
    "DensePoseChartResultCompressed",
    "DensePoseChartResultQuantized",
    "DensePoseChartResultWithConfidences",
    "DensePoseDataRelative",
    "DensePoseEmbeddingPredictorOutput",
    "DensePoseList",
    "DensePoseTransformData",
    "Mesh",
    "MeshCatalog",
    "MeshInfo",
    "PredictorOutput",
    "compress_quantized_densepose_chart_result",
    "create_mesh",
    "decompress_compressed_densepose_chart_result",
    "decorate_predictor_output_class_with_confidences",
    "quantize_densepose_chart_result",
    "register_mesh",
]
