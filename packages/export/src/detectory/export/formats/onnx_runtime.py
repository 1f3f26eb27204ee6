"""`OnnxGraph`: an ONNX model run by onnxruntime."""

import torch
from torch import Tensor


class OnnxGraph:
    """An ONNX model run by onnxruntime on the CPU.

    Args:
        path: The file, or its content.

    Attributes:
        metadata: Custom metadata of the file, by key.

    Raises:
        ValueError: If onnxruntime cannot read the file.
    """

    def __init__(self, path: str | bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal errors only: others are raised as exceptions
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            name = path if isinstance(path, str) else "the model"
            raise ValueError(f"load: {name} is not a readable ONNX file, or truncated") from error
        self._names = [entry.name for entry in self._session.get_inputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Run the graph on its inputs in order and return its outputs in order."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in zip(self._names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in self._session.run(None, arrays)]
