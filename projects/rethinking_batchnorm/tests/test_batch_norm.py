"""Shuffled regions, batch statistics, shared statistics of levels, and the recipes."""

import pytest
import torch
from torch import distributed, multiprocessing, nn

from detectory import zoo
from detectory.core.config import instantiate
from detectory.modeling.layers import ShapeSpec
from detectory.projects import rethinking_batchnorm as project

NAMES = sorted(zoo.list_models("Rethinking-BatchNorm/*"))


def test_batch_statistics_are_used_in_inference():
    norm, x = project.BatchNormBatchStat(3), torch.randn(8, 3, 4, 4) * 3 + 5
    trained = norm(x)
    before = norm.running_mean.clone()
    torch.testing.assert_close(norm.eval()(x), trained)
    assert torch.equal(norm.running_mean, before)
    assert norm(x[:0]).shape == (0, 3, 4, 4)


def test_shuffled_head_returns_the_results_in_order():
    head = project.ShuffledFastRCNNConvFCHead(ShapeSpec(channels=3, height=4, width=4), conv_dims=[5], fc_dims=[6])
    x = torch.randn(9, 3, 4, 4)
    torch.testing.assert_close(head.train()(x), head.eval()(x))


def run_process(rank, folder):
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.manual_seed(rank)
    every = [torch.arange(3.0)[:, None], 10 + torch.arange(4.0)[:, None]]
    x = every[rank].requires_grad_()
    seen = []

    def function(regions):
        seen.append(len(regions))
        return regions * 2

    result = project.run_shuffled(function, x)
    assert seen == [4 - rank]  # seven regions are split evenly
    assert torch.equal(result, x * 2)
    (result * (rank + 1)).sum().backward()
    assert x.grad.flatten().tolist() == [2.0 * (rank + 1)] * len(x)
    distributed.destroy_process_group()


def test_regions_of_two_processes_are_exchanged(tmp_path):
    multiprocessing.spawn(run_process, (str(tmp_path),), nprocs=2)


def test_levels_are_normalized_together():
    shape = [ShapeSpec(channels=4)] * 2
    settings = {"input_shape": shape, "num_classes": 2, "num_anchors": 1, "conv_dims": [4]}
    head = project.RetinaNetHeadSharedTraining(**settings, norm=nn.BatchNorm2d)
    levels = [torch.randn(2, 4, 6, 6), torch.randn(2, 4, 3, 3) + 4]
    logits, deltas = head(levels)
    assert [x.shape for x in logits] == [(2, 2, 6, 6), (2, 2, 3, 3)]
    assert [x.shape for x in deltas] == [(2, 4, 6, 6), (2, 4, 3, 3)]
    convolution, norm = head.cls_subnet[0], head.cls_subnet[1]
    cells = torch.cat([convolution(x).flatten(2) for x in levels], dim=2)
    torch.testing.assert_close(norm.running_mean, 0.1 * cells.mean(dim=(0, 2)))
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("name", NAMES)
def test_recipes_build(name):
    with torch.device("meta"):
        model = instantiate(zoo.get_config(name).model)
    assert any(isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm) for module in model.modules())


def test_six_recipes_are_listed():
    assert len(NAMES) == 6
