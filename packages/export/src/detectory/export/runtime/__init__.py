"""Exported ONNX, OpenVINO and LiteRT files run without torch.

Requires NumPy, Pillow and the runtime of the format, and no other package of Detectory:

    pip install --no-deps detectory-export
    pip install numpy pillow onnxruntime

Example:
    >>> from detectory.export import runtime
    >>> model = runtime.load("model.onnx")  # doctest: +SKIP
    >>> model.predict("photo.jpg", threshold=0.5).class_names  # doctest: +SKIP
    ['mug', 'pen']
"""

from detectory.export.description import Description
from detectory.export.runtime.masks import RLE, decode_rle
from detectory.export.runtime.model import Model, load
from detectory.export.runtime.prediction import Prediction

__all__ = ["RLE", "Description", "Model", "Prediction", "decode_rle", "load"]
