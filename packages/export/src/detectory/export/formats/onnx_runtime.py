"""`OnnxGraph`: an ONNX model run by onnxruntime."""

import torch
from torch import Tensor


class OnnxGraph:
    """An ONNX model run by onnxruntime on the CPU.

    Args:
        model: The file's content or its path.

    Attributes:
        metadata: Custom metadata of the file, by key.
    """

    def __init__(self, model: bytes | str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [entry.name for entry in self._session.get_inputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Run the graph on its inputs in order and return its outputs in order."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in zip(self._names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in self._session.run(None, arrays)]
