"""Throughput and latency of a model on random images."""

import platform
import statistics
import time
from typing import Any

import torch
from torch import nn

_DETECTIONS = ("instances", "proposals")


def measure_speed(
    model: nn.Module, size: tuple[int, int], batch_size: int, iterations: int, warmup: int, device: str
) -> dict[str, Any]:
    """Return images per second, latencies in milliseconds and the conditions of the measurement.

    Args:
        model: A meta-architecture in evaluation mode.
        size: Height and width of the input images, in pixels.
        batch_size: Images per batch.
        iterations: Number of timed batches.
        warmup: Number of untimed batches before them.
        device: Device of the model.
    """
    if torch.device(device).type == "cpu":
        model.to(memory_format=torch.channels_last)  # as in Predictor
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch_size, 3, *size), generator=generator).float()  # (B, 3, H, W)
    batch = [{"image": image, "height": size[0], "width": size[1]} for image in images]
    seconds, detections = [], 0
    with torch.inference_mode():
        for index in range(warmup + iterations):
            _synchronize(device)
            start = time.perf_counter()
            outputs = model(batch)
            _synchronize(device)
            if index >= warmup:
                seconds.append(time.perf_counter() - start)
        detections = sum(len(output[key]) for output in outputs for key in _DETECTIONS if key in output)
    ordered = sorted(seconds)
    return {
        "size": list(size),
        "batch_size": batch_size,
        "images_per_second": batch_size * len(seconds) / sum(seconds),
        "latency_ms_median": 1000 * statistics.median(ordered),
        "latency_ms_p90": 1000 * ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))],
        "latency_ms_min": 1000 * ordered[0],
        "batches": len(seconds),
        "detections_per_image": detections / batch_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "peak_memory_mib": torch.cuda.max_memory_allocated() / 2**20 if device.startswith("cuda") else None,
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else f"CPU {platform.machine()}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
