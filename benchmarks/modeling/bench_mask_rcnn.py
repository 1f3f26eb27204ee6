"""Mask R-CNN R-50-FPN on 480×640, inference and a training step, beside torchvision's with the same weights."""

import copy

import pytest
import torch
from torch.nn import functional as F
from torchvision_twin import CLASSES, detectory_model, randomize, torchvision_model

from detectory.modeling.fast_inference import optimize_for_inference
from detectory.structures import BitMasks, Boxes, Instances

HEIGHT, WIDTH = 480, 640


def picture(seed: int) -> torch.Tensor:
    """Smooth blobs with a little noise, 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    blobs = F.interpolate(torch.rand(1, 3, 30, 40, generator=generator), size=(HEIGHT, WIDTH), mode="bilinear")[0]
    return (255 * blobs + 20 * torch.rand(3, HEIGHT, WIDTH, generator=generator)).clamp(0, 255)


@pytest.fixture(scope="module")
def models():
    ours = randomize(detectory_model()).eval()
    return {
        "as built": ours,
        "optimized": optimize_for_inference(copy.deepcopy(ours)),
        "optimized bfloat16": optimize_for_inference(copy.deepcopy(ours), torch.bfloat16),
        "torchvision": torchvision_model(ours, (HEIGHT, WIDTH)).eval(),
    }


@pytest.mark.parametrize("implementation", ["detectory", "torchvision"])
@pytest.mark.parametrize("variant", ["as built", "optimized", "optimized bfloat16"])
def test_inference(benchmark, models, variant, implementation):
    benchmark.group = f"Mask R-CNN R-50-FPN, one image, {variant}"
    model, image = models[variant if implementation == "detectory" else implementation], picture(1)

    @torch.no_grad()
    def run() -> int:
        if implementation == "torchvision":
            return len(model([image / 255])[0]["boxes"])
        return len(model([{"image": image, "height": HEIGHT, "width": WIDTH}])[0]["instances"])

    found = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert found == 100


@pytest.mark.parametrize("implementation", ["detectory", "torchvision"])
def test_training_step(benchmark, models, implementation):
    benchmark.group = "Mask R-CNN R-50-FPN, training step of two images"
    model = copy.deepcopy(models["as built" if implementation == "detectory" else implementation]).train()
    generator = torch.Generator().manual_seed(2)
    corner = torch.rand(8, 2, generator=generator) * torch.tensor([400.0, 300.0])
    boxes = torch.cat((corner, corner + 40 + torch.rand(8, 2, generator=generator) * 120), dim=1)
    labels = torch.randint(0, CLASSES, (8,), generator=generator)
    masks = torch.zeros(8, HEIGHT, WIDTH, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    images = [picture(3), picture(4)]

    def run() -> dict:
        if implementation == "torchvision":
            truth = {"boxes": boxes, "labels": labels + 1, "masks": masks.to(torch.uint8)}
            losses = model([image / 255 for image in images], [dict(truth), dict(truth)])
        else:
            truth = Instances((HEIGHT, WIDTH), gt_boxes=Boxes(boxes), gt_classes=labels, gt_masks=BitMasks(masks))
            losses = model([{"image": image, "instances": truth} for image in images])
        model.zero_grad()
        sum(losses.values()).backward()
        return losses

    losses = benchmark.pedantic(run, rounds=2, warmup_rounds=1)
    assert all(value.isfinite() for value in losses.values())
