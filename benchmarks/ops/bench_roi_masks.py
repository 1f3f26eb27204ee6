"""From predicted 28 x 28 masks to COCO results: 100 instances in an image of 800 x 1200."""

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pycocotools.mask
import pytest
import torch
import torchvision
from benchmarks.memory import resident
from benchmarks.ops.inputs import predicted_masks

from detectory import ops

SHAPE = (800, 1200)


def paste_by_sampling(masks, boxes):
    """Sample each mask at all pixels of its box, as Detectron2 does on the CPU."""
    canvases = torch.zeros(len(masks), *SHAPE, dtype=torch.bool)
    for canvas, mask, box in zip(canvases, masks, boxes, strict=True):
        x1, y1, x2, y2 = box.tolist()
        left, top = max(int(x1 // 1) - 1, 0), max(int(y1 // 1) - 1, 0)
        right, bottom = min(int(-(-x2 // 1)) + 1, SHAPE[1]), min(int(-(-y2 // 1)) + 1, SHAPE[0])
        xs = (torch.arange(left, right) + 0.5 - x1) / (x2 - x1) * 2 - 1
        ys = (torch.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * 2 - 1
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)[None]
        values = torch.nn.functional.grid_sample(mask[None, None], grid, align_corners=False)
        canvas[top:bottom, left:right] = values[0, 0] >= 0.5
    return canvases


def paste_as_torchvision(masks, boxes):
    pasted = torchvision.models.detection.roi_heads.paste_masks_in_image(masks[:, None], boxes, SHAPE)
    return pasted[:, 0] >= 0.5


def encoded(canvases):
    return [pycocotools.mask.encode(np.asfortranarray(canvas.numpy().astype(np.uint8))) for canvas in canvases]


PASTE = {
    "detectory": lambda masks, boxes: ops.paste_masks(masks, boxes, SHAPE),
    "grid_sample": paste_by_sampling,
    "torchvision": paste_as_torchvision,
}
TO_RLE = {
    "detectory": lambda masks, boxes: ops.roi_masks_to_rle(masks, boxes, SHAPE),
    "our paste + encode": lambda masks, boxes: ops.rle_encode(ops.paste_masks(masks, boxes, SHAPE)),
    "grid_sample + pycocotools": lambda masks, boxes: encoded(paste_by_sampling(masks, boxes)),
    "torchvision + pycocotools": lambda masks, boxes: encoded(paste_as_torchvision(masks, boxes)),
}


def areas(rles):
    return torch.from_numpy(pycocotools.mask.area(rles).astype(np.int64))


@pytest.mark.parametrize("implementation", PASTE)
def test_paste(benchmark, implementation):
    benchmark.group = "paste_masks 100, 28 x 28 to 800 x 1200"
    masks, boxes = predicted_masks()
    result = benchmark(PASTE[implementation], masks, boxes)
    # torchvision rounds boxes to pixels, so that masks differ along their outlines.
    assert (result != paste_by_sampling(masks, boxes)).float().mean() < (
        0.01 if implementation == "torchvision" else 1e-6
    )


@pytest.mark.parametrize("implementation", TO_RLE)
def test_to_run_lengths(benchmark, implementation):
    benchmark.group = "roi_masks_to_rle 100, 28 x 28 to 800 x 1200"
    masks, boxes = predicted_masks()
    result, expected = areas(benchmark(TO_RLE[implementation], masks, boxes)), areas(TO_RLE["detectory"](masks, boxes))
    assert (result - expected).abs().sum() < 0.05 * expected.sum()


def peak_growth(implementation, answer):
    """Return the peak memory increase during one call, in bytes; run in a separate process."""
    masks, boxes = predicted_masks()
    TO_RLE[implementation](masks[:1], boxes[:1])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the peak
    before = resident()
    TO_RLE[implementation](masks, boxes)
    answer.put(resident("VmHWM") - before)


def measured_peak(implementation):
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=peak_growth, args=(implementation, answer))
    process.start()
    process.join()
    return answer.get()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from Linux' /proc")
def test_run_lengths_need_a_twentieth_of_the_memory_of_canvases(benchmark):
    benchmark.group = "roi_masks_to_rle: peak memory (see extra_info)"
    peaks = {name: measured_peak(name) for name in ("detectory", "grid_sample + pycocotools")}
    benchmark.extra_info.update(peaks)
    benchmark.pedantic(lambda: None)
    assert peaks["detectory"] < 0.05 * peaks["grid_sample + pycocotools"]
