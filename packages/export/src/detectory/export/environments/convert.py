"""Conversion of a graph of `save_portable` to LiteRT or ExecuTorch, in an environment without Detectory.

python convert.py litert|executorch GRAPH FILE
"""

import sys
from pathlib import Path
from typing import Any

import torch


class Graph(torch.nn.Module):
    """A graph of `save_portable`.

    Args:
        content: The dictionary of the file.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__()
        names = {"torch": torch, "device": torch.device, "inf": float("inf"), "nan": float("nan")}
        exec(content["code"], names)  # written by the process that started this one
        self.function: Any = names["forward"]
        self.argument_names: list[str] = content["names"]
        for name, tensor in content["tensors"].items():
            self.register_buffer(name, tensor)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Run the graph."""
        remaining, tensors = iter(inputs), dict(self.named_buffers())
        return self.function(self, *(tensors[n] if n in tensors else next(remaining) for n in self.argument_names))


def to_litert(graph: Graph, inputs: tuple[torch.Tensor, ...], path: str) -> None:
    """Write a `.tflite` file."""
    import litert_torch

    litert_torch.convert(graph, inputs).export(path)


def to_executorch(graph: Graph, inputs: tuple[torch.Tensor, ...], path: str) -> None:
    """Write a `.pte` file with kernels of XNNPACK."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with torch.no_grad():
        program = torch.export.export(graph, inputs)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    Path(path).write_bytes(lowered.buffer)


if __name__ == "__main__":
    format_name, source, target = sys.argv[1:]
    stored = torch.load(source, weights_only=True)
    convert = {"litert": to_litert, "executorch": to_executorch}[format_name]
    convert(Graph(stored).eval(), tuple(stored["inputs"]), target)
