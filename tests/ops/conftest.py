"""Random boxes, and checks of compilation and export with dynamic sizes."""

import os

import pytest
import torch

import detectory.ops  # noqa: F401 (its kernels are replaced below)

if kernels := os.environ.get("DETECTORY_CUDA_ON_CPU"):
    torch.ops.load_library(kernels)  # the CUDA kernels, compiled for the CPU by cuda_on_cpu/build.py


def _random_boxes(count, dtype=torch.float64, extent=20.0):
    corners = torch.rand(count, 4, dtype=torch.float64) * extent
    corners[:, 2:] += corners[:, :2]
    return corners.to(dtype)


@pytest.fixture(scope="session")
def random_boxes():
    """Return `random_boxes(count, dtype, extent)`: corners and sides in [0, extent]."""
    return _random_boxes


@pytest.fixture
def compiles():
    """Return `compiles(function, *arguments)`: compile to one dynamic graph, compare with eager."""

    def results(function, arguments):
        copies = [value.detach().clone().requires_grad_(value.requires_grad) for value in arguments]
        output = function(*copies)
        outputs = output if isinstance(output, tuple) else (output,)
        if outputs[0].requires_grad:
            outputs[0].square().sum().backward()
        return [*outputs, *(copy.grad for copy in copies if copy.requires_grad)]

    def check(function, *arguments):
        torch._dynamo.reset()
        compiled = torch.compile(function, fullgraph=True, dynamic=True, backend="aot_eager")
        torch.testing.assert_close(results(compiled, arguments), results(function, arguments), equal_nan=True)

    return check


@pytest.fixture
def exports():
    """Return `exports(function, arguments, others, dynamic)`: export with `arguments`, compare with eager on `others`.

    `dynamic` maps each tensor argument to the dimensions left open, as `torch.export` takes them, in order.
    """

    class Module(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, *arguments):
            return self.function(*arguments)

    def check(function, arguments, others, dynamic):
        program = torch.export.export(Module(function), tuple(arguments), dynamic_shapes=(tuple(dynamic),))
        torch.testing.assert_close(program.module()(*others), function(*others), equal_nan=True)

    return check
