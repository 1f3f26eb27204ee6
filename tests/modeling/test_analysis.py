import pytest
import torch
from torch import nn

from detectory.modeling.analysis import (
    ActivationCountAnalysis,
    FlopCountAnalysis,
    activation_count,
    flop_count,
    flop_count_str,
    flop_count_table,
    parameter_count,
    parameter_count_table,
)

from . import tiny_models


def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))


IMAGE = torch.zeros(2, 3, 4, 4)


def test_multiply_add_counts_as_one_operation():
    flops = FlopCountAnalysis(network(), IMAGE)
    assert flops.total("0") == 2 * 8 * 16 * 27
    assert flops.total("3") == 2 * 128 * 5
    assert flops.total() == flops.total("0") + flops.total("3")
    assert flop_count(network(), IMAGE)["convolution"] == pytest.approx(2 * 8 * 16 * 27 / 1e9)


def test_activations_are_outputs_of_convolutions_and_matrix_products():
    acts = ActivationCountAnalysis(network(), IMAGE)
    assert acts.by_module()["0"] == 2 * 8 * 16
    assert acts.total() == 2 * 8 * 16 + 2 * 5
    assert activation_count(network(), IMAGE)["addmm"] == pytest.approx(10 / 1e6)


def test_flops_of_a_detector_are_counted_by_module():
    model = tiny_models.rcnn().eval()
    flops = FlopCountAnalysis(model, (tiny_models.inputs(),))
    parts = ("backbone", "proposal_generator", "roi_heads")
    assert all(flops.total(part) > 0 for part in parts)
    assert sum(flops.total(part) for part in parts) <= flops.total()


def test_parameters_are_counted_under_every_prefix():
    counts = parameter_count(network())
    assert counts["0"] == 8 * 27 + 8
    assert counts[""] == counts["0"] + counts["3"]
    assert counts["3.bias"] == 5


def test_tables_contain_names_shapes_and_counts():
    flops, acts = FlopCountAnalysis(network(), IMAGE), ActivationCountAnalysis(network(), IMAGE)
    assert "(8, 3, 3, 3)" in parameter_count_table(network())
    table = flop_count_table(flops, activations=acts)
    assert table.splitlines()[0].split("|")[1:-1] == [cell for cell in table.splitlines()[0].split("|")[1:-1] if cell]
    assert "6.91K" in table
    assert "#flops: 6.91K, #acts: 256" in flop_count_str(flops, acts)
