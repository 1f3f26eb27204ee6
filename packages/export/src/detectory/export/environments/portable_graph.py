"""A recorded graph as Python source of core ATen operators and a dictionary of tensors, for any version of torch.

Files of `torch.export.save` can only be read by the same or a later version of torch.
"""

from pathlib import Path

import torch
from torch import Tensor, nn


def save_portable(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Record a module for inputs of a fixed size and save it for `convert.py`.

    The file contains a dictionary: `code`, the source of a function `forward(self, …)`; `names`, the names of its
    arguments; `tensors`, the parameters, buffers and constants by name; and `inputs`, the values of the remaining
    arguments.

    Args:
        module: A module in evaluation mode.
        inputs: Its inputs.
        path: The file to write.

    Raises:
        ValueError: If the module uses operators that are not part of torch.
    """
    with torch.no_grad():
        program = torch.export.export(module, inputs, strict=False).run_decompositions()
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            graph.erase_node(node)
        elif node.target.namespace != "aten":
            name = node.target.name().replace("::", ".ops.")
            raise ValueError(f"export: {name} does not exist outside of torch. Use format='torch-export' or 'onnx'")
    program.graph_module.recompile()
    names, tensors = [], {}
    for entry in program.graph_signature.input_specs:
        names.append(entry.arg.name)
        if entry.target is not None:
            stored = program.state_dict if entry.target in program.state_dict else program.constants
            tensors[entry.arg.name] = stored[entry.target].detach()
    content = {"code": program.graph_module.code, "names": names, "tensors": tensors, "inputs": list(inputs)}
    torch.save(content, path)
