"""Operation counts of nodes in traced graphs."""

from collections import Counter

import pytest
import torch
from torch import nn

from detectory.compat.fvcore.nn import FlopCountAnalysis, activation_count, flop_count, jit_handles


class Calls(nn.Module):
    """A module that calls a function with its arguments."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def count(handle, kind, function, *shapes):
    """Count the first node of an operator in a traced function of random tensors."""
    graph, _ = torch.jit._get_trace_graph(Calls(function), tuple(torch.rand(shape) for shape in shapes))
    node = next(node for node in graph.nodes() if node.kind() == f"aten::{kind}")
    return handle(list(node.inputs()), list(node.outputs()))


@pytest.mark.parametrize(
    ("handle", "kind", "function", "shapes", "expected"),
    [
        (jit_handles.matmul_flop_jit, "matmul", torch.matmul, [(2, 3, 4), (4, 5)], 2 * 3 * 4 * 5),
        (jit_handles.matmul_flop_jit, "matmul", torch.matmul, [(4,), (4,)], 4),
        (jit_handles.bmm_flop_jit, "bmm", torch.bmm, [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        (jit_handles.addmm_flop_jit, "addmm", torch.addmm, [(5,), (3, 4), (4, 5)], 3 * 4 * 5),
        (jit_handles.linear_flop_jit, "linear", nn.functional.linear, [(3, 4), (5, 4)], 3 * 4 * 5),
        (jit_handles.conv_flop_jit, "_convolution", nn.Conv2d(4, 6, 3, groups=2), [(1, 4, 8, 8)], 36 * 6 * 2 * 9),
        (jit_handles.conv_flop_jit, "_convolution", nn.ConvTranspose2d(4, 6, 3), [(1, 4, 8, 8)], 64 * 4 * 6 * 9),
        (
            jit_handles.einsum_flop_jit,
            "einsum",
            lambda a, b: torch.einsum("nct, ncp -> ntp", a, b),
            [(2, 3, 4), (2, 3, 5)],
            2 * 3 * 4 * 5,
        ),
        (jit_handles.norm_flop_counter(2), "layer_norm", nn.LayerNorm(4), [(3, 4)], 5 * 12),
        (jit_handles.norm_flop_counter(2), "layer_norm", lambda x: torch.layer_norm(x, [4]), [(3, 4)], 4 * 12),
        (jit_handles.batchnorm_flop_jit, "batch_norm", nn.BatchNorm1d(4), [(3, 4)], 5 * 12),
        (jit_handles.batchnorm_flop_jit, "batch_norm", nn.BatchNorm1d(4).eval(), [(3, 4)], 2 * 12),
        (jit_handles.elementwise_flop_counter(1, 2), "sum", lambda x: x.sum(1), [(3, 4)], 12 + 2 * 3),
        (jit_handles.generic_activation_jit(), "relu", torch.relu, [(3, 4)], 12),
        (jit_handles.generic_activation_jit("act"), "relu", torch.relu, [(3, 4)], {"act": 12}),
    ],
)
def test_counts(handle, kind, function, shapes, expected):
    assert count(handle, kind, function, *shapes) == expected


def test_einsum_of_three_operands_is_refused():
    with pytest.raises(ValueError, match="one or two operands"):
        count(jit_handles.einsum_flop_jit, "einsum", lambda a: torch.einsum("ab,bc,cd->ad", a, a, a), (2, 2))


def test_flop_count_uses_handles_of_the_caller():
    def seven(inputs, outputs):
        return Counter({"conv": 7e9})

    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    counts, skipped = flop_count(layers, (torch.zeros(1, 3, 8, 8),), {"aten::_convolution": seven})
    assert (counts, skipped) == ({"conv": 7.0}, {"aten::relu": 1})
    counts, skipped = flop_count(layers, (torch.zeros(1, 3, 8, 8),), {"aten::relu": None})
    assert (counts, skipped) == ({"_convolution": pytest.approx(36 * 4 * 27 / 1e9)}, {})


def test_activation_count_uses_handles_of_the_caller():
    handles = {"aten::relu": jit_handles.generic_activation_jit("relu")}
    counts, skipped = activation_count(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(2, 3),), handles)
    assert (counts, skipped) == ({"linear": 8 / 1e6, "relu": 8 / 1e6}, {})


def test_analyses_have_the_interface_of_fvcore():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.unused = nn.Conv2d(3, 4, 3), nn.Linear(2, 2)

        def forward(self, x):
            return self.conv(x).relu()

    flops = FlopCountAnalysis(Model(), torch.zeros(1, 3, 8, 8))
    flops.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none").ancestor_mode(
        "owner"
    )
    assert flops.total() == flops.by_module()["conv"] == 36 * 4 * 27
    assert (flops.uncalled_modules(), flops.unsupported_ops()) == ({"unused"}, Counter())
    flops.set_op_handle("aten::relu", jit_handles.generic_activation_jit("relu"))
    assert flops.by_operator()["relu"] == 36 * 4
    assert flops.copy(new_inputs=torch.zeros(1, 3, 4, 4)).total() == 4 * 4 * 27 + 4 * 4
    assert flops.clear_op_handles().total() == 36 * 4 * 27
    with pytest.raises(KeyError, match="no module 'x'"):
        flops.canonical_module_name("x")
