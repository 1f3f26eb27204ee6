"""A training step of Mask R-CNN R-50-FPN in bfloat16, ours and torchvision's. Prints a profile of ours.

usage: gpu_training.py [--batch 16] [--height 800] [--width 1088] [--steps 5]

On a machine with a GPU, it prints the slowest kernels of our step and the fraction of time in which the GPU is idle.
"""

import argparse
from collections.abc import Callable

import torch
from mask_rcnn_models import CLASSES, detectory_model, randomize, torchvision_model

from detectory.structures import BitMasks, Boxes, Instances

#: Number of objects per image.
OBJECTS = 8


def random_samples(batch: int, height: int, width: int, device: torch.device) -> list[dict[str, torch.Tensor]]:
    """Return images `(3, H, W)`, 0 to 255, with `boxes` (8, 4), `labels` (8,) and bool `masks` (8, H, W)."""
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(batch):
        image = torch.rand(3, height, width, generator=generator) * 255
        corner = torch.rand(OBJECTS, 2, generator=generator) * torch.tensor([0.6 * width, 0.6 * height])
        side = (0.05 + 0.3 * torch.rand(OBJECTS, 2, generator=generator)) * torch.tensor([width, height])
        boxes = torch.cat([corner, corner + side], 1)
        masks = torch.zeros(OBJECTS, height, width, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.long().tolist(), strict=True):
            mask[y1:y2, x1:x2] = True
        labels = torch.randint(CLASSES, (OBJECTS,), generator=generator)
        sample = {"image": image, "boxes": boxes, "labels": labels, "masks": masks}
        samples.append({name: value.to(device) for name, value in sample.items()})
    return samples


def our_step(batch: int, height: int, width: int, device: torch.device) -> Callable[[], torch.Tensor]:
    """Return a training step of our model with the trainer's settings: channels last, autocast, fused optimizer."""
    model = randomize(detectory_model()).to(device, memory_format=torch.channels_last).train()
    inputs = [
        {
            "image": sample["image"],
            "instances": Instances(
                (height, width),
                gt_boxes=Boxes(sample["boxes"]),
                gt_classes=sample["labels"],
                gt_masks=BitMasks(sample["masks"]),
            ),
        }
        for sample in random_samples(batch, height, width, device)
    ]
    return _step(model, lambda: model(inputs), device)


def torchvision_step(batch: int, height: int, width: int, device: torch.device) -> Callable[[], torch.Tensor]:
    """Return a training step of torchvision's model with the same weights, as in its tutorial, under autocast."""
    model = torchvision_model(randomize(detectory_model()), (height, width), training=True).to(device).train()
    samples = random_samples(batch, height, width, device)
    images = [sample["image"] / 255 for sample in samples]
    targets = [
        {"boxes": sample["boxes"], "labels": sample["labels"] + 1, "masks": sample["masks"].to(torch.uint8)}
        for sample in samples
    ]
    return _step(model, lambda: model(images, [dict(target) for target in targets]), device)


def _step(model: torch.nn.Module, losses: Callable[[], dict], device: torch.device) -> Callable[[], torch.Tensor]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, weight_decay=1e-4, fused=device.type == "cuda")

    def step() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            total = sum(losses().values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        return total.detach()

    return step


def profile(step: Callable[[], torch.Tensor], steps: int) -> str:
    """Profile some steps; return a table of the 15 slowest kernels, and the fraction of time without any kernel."""
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
    kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    spans = sorted((event.time_range.start, event.time_range.end) for event in kernels)
    busy = 0.0
    busy_until = spans[0][0]
    for start, end in spans:
        busy += max(end - max(start, busy_until), 0)
        busy_until = max(busy_until, end)
    total = busy_until - spans[0][0]
    table = profiler.key_averages().table(sort_by="self_device_time_total", row_limit=15, max_name_column_width=70)
    return f"{table}\nstep: {total / steps / 1e3:.1f} ms, GPU idle {100 * (1 - busy / total):.1f} %"


def main() -> int:
    """Parse the command line and print the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 16), ("height", 800), ("width", 1088), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("no CUDA device is available")
    step = our_step(arguments.batch, arguments.height, arguments.width, torch.device("cuda"))
    print(profile(step, arguments.steps))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
