"""Mask R-CNN R-50-FPN at 480×640, inference and training step, compared with torchvision's with the same weights."""

import copy

import pytest
import torch
from mask_rcnn_models import CLASSES, detectory_model, randomize, torchvision_model
from torch.nn import functional as F

from detectory.data.transforms import ResizeShortestEdge
from detectory.engine import Predictor
from detectory.modeling.fast_inference import optimize_for_inference
from detectory.structures import BitMasks, Boxes, Instances

HEIGHT, WIDTH = 480, 640


def random_image(seed: int) -> torch.Tensor:
    """Return an image `(3, HEIGHT, WIDTH)` of smooth blobs with some noise, 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    blobs = F.interpolate(torch.rand(1, 3, 30, 40, generator=generator), size=(HEIGHT, WIDTH), mode="bilinear")[0]
    return (255 * blobs + 20 * torch.rand(3, HEIGHT, WIDTH, generator=generator)).clamp(0, 255)


@pytest.fixture(scope="module")
def model():
    return randomize(detectory_model()).eval()


@pytest.fixture(scope="module")
def runs(model):
    """Return functions that run each variant of our model, and torchvision's model, on one image."""
    image = random_image(1)
    array = image.byte().permute(1, 2, 0).numpy()
    predictor = Predictor(copy.deepcopy(model), ResizeShortestEdge(HEIGHT, WIDTH))
    inputs = [{"image": image, "height": HEIGHT, "width": WIDTH}]
    optimized = {
        "optimized": optimize_for_inference(copy.deepcopy(model)),
        "optimized bfloat16": optimize_for_inference(copy.deepcopy(model), torch.bfloat16),
    }
    reference = torchvision_model(model, (HEIGHT, WIDTH)).eval()
    return {
        "as Predictor runs it": lambda: predictor.predict(array),
        **{name: lambda variant=variant: variant(inputs)[0]["instances"] for name, variant in optimized.items()},
        "torchvision": lambda: reference([image / 255])[0]["boxes"],
    }


@pytest.mark.parametrize("implementation", ["detectory", "torchvision"])
@pytest.mark.parametrize("variant", ["as Predictor runs it", "optimized", "optimized bfloat16"])
def test_inference(benchmark, runs, variant, implementation):
    benchmark.group = f"Mask R-CNN R-50-FPN, one image, {variant}"
    run = torch.no_grad()(runs[variant if implementation == "detectory" else implementation])
    assert len(benchmark.pedantic(run, rounds=5, warmup_rounds=1)) == 100


@pytest.mark.parametrize("implementation", ["detectory", "torchvision"])
def test_training_step(benchmark, model, implementation):
    benchmark.group = "Mask R-CNN R-50-FPN, training step of two images"
    is_ours = implementation == "detectory"
    model = (copy.deepcopy(model) if is_ours else torchvision_model(model, (HEIGHT, WIDTH), training=True)).train()
    generator = torch.Generator().manual_seed(2)
    corner = torch.rand(8, 2, generator=generator) * torch.tensor([400.0, 300.0])
    boxes = torch.cat((corner, corner + 40 + torch.rand(8, 2, generator=generator) * 120), dim=1)
    labels = torch.randint(0, CLASSES, (8,), generator=generator)
    masks = torch.zeros(8, HEIGHT, WIDTH, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    images = [random_image(3), random_image(4)]

    def run() -> dict:
        if not is_ours:
            target = {"boxes": boxes, "labels": labels + 1, "masks": masks.to(torch.uint8)}
            losses = model([image / 255 for image in images], [dict(target), dict(target)])
        else:
            instances = Instances((HEIGHT, WIDTH), gt_boxes=Boxes(boxes), gt_classes=labels, gt_masks=BitMasks(masks))
            losses = model([{"image": image, "instances": instances} for image in images])
        model.zero_grad()
        sum(losses.values()).backward()
        return losses

    losses = benchmark.pedantic(run, rounds=2, warmup_rounds=1)
    assert all(value.isfinite() for value in losses.values())
