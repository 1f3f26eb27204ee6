"""3x3 convolutions of 256 channels: a pyramid level and the regions of a mask head, compared with torch (oneDNN)."""

import pytest
import torch
from torch.nn import functional as F

from detectory.ops import winograd_conv2d, winograd_weight

CASES = {"1 x 256 x 120 x 160": (1, 120, 160), "100 x 256 x 14 x 14": (100, 14, 14)}


@pytest.mark.parametrize("implementation", ["detectory", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_forward(benchmark, case, dtype, implementation):
    benchmark.group = f"winograd_conv2d {case}, {str(dtype).removeprefix('torch.')}"
    batch, height, width = CASES[case]
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(batch, 256, height, width, generator=generator).to(dtype, memory_format=torch.channels_last)
    weight, bias = torch.randn(256, 256, 3, 3, generator=generator) / 48, torch.randn(256, generator=generator)
    packed, own = winograd_weight(weight), weight.to(dtype, memory_format=torch.channels_last)
    calls = {
        "detectory": lambda: winograd_conv2d(input, packed, bias, 256),
        "torch": lambda: F.conv2d(input, own, bias.to(dtype), padding=1),
    }
    result = benchmark(calls[implementation])
    tolerance = 1e-3 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(result, calls["torch"](), atol=tolerance, rtol=tolerance)
