"""`LiteRTGraph`: a LiteRT model with one input."""

import os

import numpy as np


class LiteRTGraph:
    """A LiteRT model with one input, run by the package `ai-edge-litert`.

    Args:
        content: The flatbuffer.
        threads: Number of threads; by default all cores.

    Raises:
        ModuleNotFoundError: If `ai-edge-litert` is not installed.
        ValueError: If the flatbuffer is damaged or has several signatures.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "load: ai_edge_litert is not installed: pip install ai-edge-litert", name="ai_edge_litert"
            ) from error
        interpreter = Interpreter(model_content=content, num_threads=threads or os.cpu_count())
        interpreter.allocate_tensors()
        ((names, self._run),) = [
            (entry, interpreter.get_signature_runner(name)) for name, entry in interpreter.get_signature_list().items()
        ]
        (self._input,) = names["inputs"]
        self._outputs = sorted(names["outputs"], key=_number)

    def __call__(self, array: np.ndarray) -> list[np.ndarray]:
        """Return the outputs in order."""
        results = self._run(**{self._input: np.ascontiguousarray(array)})
        return [results[name] for name in self._outputs]


def _number(name: str) -> int:
    """Return the number at the end of the name of an output, such as `output_2`."""
    return int(name.rpartition("_")[2])
