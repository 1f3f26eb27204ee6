"""Training steps of Mask R-CNN R-50-FPN on a GPU: bfloat16, 16 images of 800 x 1088 that lie there already."""

import pytest
import torch
from gpu_training import our_step, torchvision_step

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run it on a machine with a GPU and its driver"
)

BATCH = 16
STEPS = {"detectory": our_step, "torchvision": torchvision_step}


@pytest.mark.parametrize("implementation", STEPS)
def test_training_step(benchmark, implementation):
    benchmark.group = "cuda: Mask R-CNN R-50-FPN, training step of 16 images, bfloat16"
    step = STEPS[implementation](BATCH, 800, 1088, torch.device("cuda"))

    def finished():
        loss = step()
        torch.cuda.synchronize()
        return loss

    assert benchmark.pedantic(finished, rounds=10, warmup_rounds=3).isfinite()
    benchmark.extra_info["images per second"] = BATCH / benchmark.stats.stats.median
