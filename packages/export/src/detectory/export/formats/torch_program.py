"""Loading of torch.export programs (`.pt2`)."""

import io
from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.export.description import KEY
from detectory.export.exported_model import RunGraph


def load_program(file: str | io.BytesIO) -> tuple[RunGraph, str]:
    """Return the program as a function and its description as JSON, which is empty if missing."""
    extra = {KEY: ""}
    program = torch.export.load(file, extra_files=extra).module()

    def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        with torch.no_grad():
            return program(*inputs)

    return run_graph, extra[KEY]
