"""Training steps of Mask R-CNN R-50-FPN on a GPU: bfloat16, 16 images of 800 × 1088 in GPU memory."""

import pytest
import torch
from gpu_training import our_step, torchvision_step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="requires a CUDA device")

BATCH = 16
STEPS = {"detectory": our_step, "torchvision": torchvision_step}


@pytest.mark.parametrize("implementation", STEPS)
def test_training_step(benchmark, implementation):
    benchmark.group = "cuda: Mask R-CNN R-50-FPN, training step of 16 images, bfloat16"
    step = STEPS[implementation](BATCH, 800, 1088, torch.device("cuda"))

    def synchronized_step():
        loss = step()
        torch.cuda.synchronize()
        return loss

    assert benchmark.pedantic(synchronized_step, rounds=10, warmup_rounds=3).isfinite()
    benchmark.extra_info["images per second"] = BATCH / benchmark.stats.stats.median
