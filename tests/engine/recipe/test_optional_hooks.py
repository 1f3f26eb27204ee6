"""Optional hooks of a training recipe."""

import torch
from tests.engine.toy_recipe import augment, make_dataset

from detectory.core.config import LazyCall
from detectory.engine import train


def two_batches():
    return [[augment(sample) for sample in make_dataset()[:4]]] * 2


def test_a_recipe_combines_optional_hooks(recipe, tmp_path):
    overrides = ["+train.moving_average={decay:0.5}", "+train.nan_finder={skip:true}", "train.eval_period=2"]
    stopping = "+train.early_stopping={val_metric:validation/total_loss,mode:min,patience:1,min_delta:100}"
    config = recipe("train.max_iter=20", *overrides, stopping, "+train.best_metric=validation/total_loss")
    config.dataloader.validation = LazyCall(two_batches)()
    train(config)
    saved = torch.load(tmp_path / "output" / "model_best.pth")
    assert torch.load(tmp_path / "output" / "model_0000003.pth")["iteration"] == 3
    average = saved["trainer"]["hooks"]["MovingAverage"]["average"]
    assert all(torch.equal(saved["model"][name], tensor) for name, tensor in average.items())
