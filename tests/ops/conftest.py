"""Boxes for the operators' tests, and what it takes to compile and export an operator with sizes left open."""

import pytest
import torch


def _random_boxes(count, dtype=torch.float64, extent=20.0):
    corners = torch.rand(count, 4, dtype=torch.float64) * extent
    corners[:, 2:] += corners[:, :2]
    return corners.to(dtype)


@pytest.fixture(scope="session")
def random_boxes():
    """`random_boxes(count, dtype, extent)`: corners in [0, extent], sides in [0, extent]."""
    return _random_boxes


@pytest.fixture
def compiles():
    """`compiles(function, *arguments)`: one graph with open sizes, and eager's result and gradients."""

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
    """`exports(function, arguments, others, dynamic)`: exported on the first, it gives eager's result on the others.

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
