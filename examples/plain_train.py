"""Train a detector with an explicit training loop: no trainer, no hooks, and no config except for the model.

    python examples/plain_train.py train.json images --val val.json images --model COCO-Detection/retinanet_R_50_FPN_1x

A starting point for your own training loop. `detectory train` adds resumable checkpoints, event writers and more.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from detectory import zoo
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.core.events import EventStorage
from detectory.data import DatasetCatalog, DatasetMapper, MetadataCatalog, register_coco_instances
from detectory.data import build_detection_test_loader as test_loader
from detectory.data import build_detection_train_loader as train_loader
from detectory.data import transforms as T
from detectory.engine.optimizers import get_default_optimizer_params
from detectory.evaluation import COCOEvaluator, inference_on_dataset, print_csv_format


def build_model(name: str, num_classes: int) -> torch.nn.Module:
    """Build a zoo model with the given number of classes."""
    config = zoo.get_config(name).model
    owner = config.roi_heads if "roi_heads" in config else config
    owner.num_classes = num_classes
    return instantiate(config)


def learning_rate(iteration: int, iterations: int, base: float, warm_up: int = 100) -> float:
    """Return the learning rate: linear warm-up, then division by ten after 70 % and 90 % of the iterations."""
    drops = (iteration >= 0.7 * iterations) + (iteration >= 0.9 * iterations)
    return base * 0.1**drops * min(1.0, (iteration + 1) / warm_up)


def fit(
    model: torch.nn.Module,
    batches: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    iterations: int,
    rate: Callable[[int], float],
    write: Callable[[dict[str, float]], None] = lambda _: None,
) -> None:
    """Run the training loop: load a batch, compute losses and gradients, update the parameters."""
    model.train()
    iterator = iter(batches)
    with EventStorage() as storage:
        for storage.iter in range(iterations):
            start = time.perf_counter()
            batch = next(iterator)
            data_time = time.perf_counter() - start
            for group in optimizer.param_groups:
                group["lr"] = rate(storage.iter)
            losses = model(batch)
            total = sum(losses.values())
            values = {name: loss.item() for name, loss in losses.items()}
            if not torch.isfinite(total):
                raise FloatingPointError(f"iteration {storage.iter}: {values}")
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            times = {"data_time": data_time, "time": time.perf_counter() - start}
            write({"iteration": storage.iter, "total_loss": total.item()} | values | times)


def main(arguments: list[str] | None = None) -> None:
    """Parse the arguments, train, save the model and evaluate it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", help="a COCO annotation file")
    parser.add_argument("images", help="its image folder")
    parser.add_argument("--val", nargs=2, metavar=("ANNOTATIONS", "IMAGES"))
    parser.add_argument("--model", default="COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x")
    parser.add_argument("--weights", default="detectron2://ImageNetPretrained/MSRA/R-50.pkl")
    parser.add_argument("--output", type=Path, default=Path("output"))
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--size", type=int, default=800, help="length of the shorter side, in pixels")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)

    register_coco_instances("plain_train", {}, options.annotations, options.images)
    records = DatasetCatalog.get("plain_train")
    model = build_model(options.model, len(MetadataCatalog.get("plain_train").thing_classes))
    model.to(options.device, memory_format=torch.channels_last)
    DetectionCheckpointer(model).load(options.weights)
    resize = T.ResizeShortestEdge(options.size, options.size * 5 // 3)
    steps = [resize, T.RandomFlip()]
    mapper = DatasetMapper(True, augmentations=steps, image_format="BGR", use_instance_mask="Segm" in options.model)
    batches = train_loader(records, mapper=mapper, total_batch_size=options.batch, num_workers=options.workers)
    parameters = get_default_optimizer_params(model, weight_decay_norm=0.0)
    optimizer = torch.optim.SGD(parameters, lr=options.lr, momentum=0.9, weight_decay=1e-4)
    with open(options.output / "metrics.json", "w", encoding="utf-8") as log:
        rate = lambda iteration: learning_rate(iteration, options.iterations, options.lr)  # noqa: E731
        fit(model, batches, optimizer, options.iterations, rate, lambda line: print(json.dumps(line), file=log))
    DetectionCheckpointer(model, options.output).save("model_final")
    if options.val:
        register_coco_instances("plain_val", {}, *options.val)
        mapper = DatasetMapper(False, augmentations=[resize], image_format="BGR")
        loader = test_loader(DatasetCatalog.get("plain_val"), mapper=mapper)
        print_csv_format(
            inference_on_dataset(model, loader, COCOEvaluator("plain_val", output_dir=str(options.output)))
        )


if __name__ == "__main__":
    main()
