"""AP by the length of the training: the experiment behind the number of epochs in a training plan.

Trains the zoo's small Faster R-CNN at half its width from random weights, for different numbers of iterations on small
datasets, each time with the whole learning-rate schedule. A second part trains with high learning rates, with and
without gradient clipping. Results are added to a JSON file after each training; an interrupted experiment continues
with the next one.

    python -m benchmarks.engine.training_length --data ../shared/data --work /tmp/lengths
    python -m benchmarks.engine.training_length --table
"""

import argparse
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig

from detectory import zoo
from detectory.cli.demo.dataset import write_split
from detectory.cli.json_output import write_json
from detectory.core.config import LazyCall
from detectory.core.processor import instruction_set
from detectory.data import DatasetCatalog, MetadataCatalog, register_coco_instances, register_pascal_voc
from detectory.data import transforms as T
from detectory.engine import train
from detectory.evaluation import PascalVOCDetectionEvaluator
from detectory.zoo.parts.resnet import resnet_18

RESULTS = Path(__file__).with_name("training_length.json")
RECIPE = "COCO-Detection/faster_rcnn_R_18_FPN_small"
BATCH = 4
WIDTH = 32
BLOOD_CLASSES = ("RBC", "WBC", "Platelets")
WARMUP = 0.05
#: Iterations of the trainings with high learning rates.
CLIPPED_LENGTH = 150


@dataclass(frozen=True)
class Dataset:
    """A dataset of the experiment.

    Attributes:
        images: Number of training images.
        classes: Number of classes.
        sizes: Shorter and maximum longer side of the resized images.
        iterations: Lengths of the trainings.
    """

    images: int
    classes: int
    sizes: tuple[int, int]
    iterations: tuple[int, ...]


DATASETS = {
    "shapes_20": Dataset(20, 5, (160, 160), (125, 250, 500, 1000)),
    "shapes_100": Dataset(100, 5, (160, 160), (250, 500, 1000, 2000)),
    "shapes_1000": Dataset(1000, 5, (160, 160), (250, 500, 1000, 2000)),
    "blood_cells": Dataset(60, 3, (192, 256), (150, 300, 600, 1200)),
    "coco_photos": Dataset(90, 80, (160, 256), (250, 500, 1000, 2000)),
}


@dataclass(frozen=True)
class Training:
    """One training of the experiment.

    Attributes:
        dataset: Name of the dataset.
        iterations: Number of iterations of `BATCH` images.
        optimizer: `"AdamW"`, with the recipe's weight decay, or `"SGD"`.
        lr: Learning rate after the warm-up.
        clip: Maximum norm of the gradient, or None.
        schedule: `"cosine"` or `"steps"`, which divides the learning rate by 10 after 2/3 and 8/9.
    """

    dataset: str
    iterations: int
    optimizer: str = "AdamW"
    lr: float = 1.5e-3
    clip: float | None = 5.0
    schedule: str = "cosine"


def trainings() -> Iterator[Training]:
    """Yield all trainings, short ones of every dataset first."""
    grid = [(length, name) for name, dataset in DATASETS.items() for length in dataset.iterations]
    grid.sort(key=lambda pair: pair[0])
    yield from (Training(name, length) for length, name in grid if length < 1000)
    for optimizer, rates, clips in (
        ("SGD", (0.01, 0.04, 0.16, 0.64), (None, 10.0)),
        ("AdamW", (1.5e-3, 6e-3), (None, 5.0)),
    ):
        yield from (Training("shapes_100", CLIPPED_LENGTH, optimizer, lr, clip) for lr in rates for clip in clips)
    yield from (Training(name, length) for length, name in grid if length >= 1000)


def register(name: str, data: Path, work: Path) -> tuple[str, str]:
    """Register a dataset and return the names of its training and evaluation splits."""
    names = f"{name}_train", f"{name}_val"
    if names[0] in MetadataCatalog.list():
        return names
    if name == "blood_cells":
        for split_name, split in zip(names, ("trainval", "test"), strict=True):
            register_pascal_voc(split_name, str(data / "voc_bccd"), split, 2012, BLOOD_CLASSES)
    elif name == "coco_photos":
        file = data / "coco/annotations/instances_train2017.json"
        for split_name in names:  # evaluated on the training images
            register_coco_instances(split_name, {}, str(file), str(data / "coco/train2017"))
    else:
        folder = work / "shapes"
        if not (folder / "annotations/instances_val.json").is_file():
            write_split(folder, "train", 1000, seed=0, progress=lambda _: None)
            write_split(folder, "val", 100, seed=0, progress=lambda _: None)
        for split_name, split in zip((f"all_{name}", names[1]), ("train", "val"), strict=True):
            register_coco_instances(
                split_name, {}, str(folder / f"annotations/instances_{split}.json"), str(folder / split)
            )
        records = DatasetCatalog.get(f"all_{name}")
        DatasetCatalog.register(names[0], lambda: records[: DATASETS[name].images])
        MetadataCatalog.get(names[0]).thing_classes = MetadataCatalog.get(f"all_{name}").thing_classes
    return names


def recipe(training: Training, names: tuple[str, str], output: Path) -> DictConfig:
    """Return the config of a training."""
    dataset = DATASETS[training.dataset]
    config = zoo.get_config(RECIPE)
    config.model.backbone.bottom_up = resnet_18(WIDTH)
    config.model.roi_heads.num_classes = dataset.classes
    for loader, name in zip((config.dataloader.train, config.dataloader.test), names, strict=True):
        resize = loader.mapper.augmentations[0]
        resize.short_edge_length, resize.max_size = dataset.sizes
        loader.num_workers = 0
        loader.dataset.names = name
    config.dataloader.train.total_batch_size = BATCH
    if training.dataset == "blood_cells":
        config.dataloader.evaluator = LazyCall(PascalVOCDetectionEvaluator)(dataset_name=names[1])
        config.dataloader.train.mapper.augmentations.append(LazyCall(T.RandomFlip)(horizontal=False, vertical=True))
    config.optimizer.lr = training.lr
    if training.optimizer == "SGD":
        config.optimizer._target_ = "torch.optim.SGD"
        config.optimizer.momentum, config.optimizer.weight_decay = 0.9, 1e-4
    config.lr_multiplier.warmup_length = WARMUP
    if training.schedule == "steps":
        config.lr_multiplier.scheduler = zoo.get_config(
            "COCO-Detection/faster_rcnn_R_50_FPN_1x"
        ).lr_multiplier.scheduler
    clip = {"clip_type": "full_model", "clip_value": training.clip, "norm_type": 2.0}
    config.train.clip_gradients = clip if training.clip else None
    config.train.init_checkpoint = ""
    config.train.max_iter = training.iterations
    config.train.output_dir = str(output)
    config.train.device = "cpu"
    config.train.eval_period, config.train.checkpointer.period = 0, 10**9
    config.train.seed = 1
    return config


def run(training: Training, data: Path, work: Path) -> dict[str, object]:
    """Train and return the settings with the metrics; a diverged training has an AP of 0."""
    output = work / "run"
    shutil.rmtree(output, ignore_errors=True)
    names = register(training.dataset, data, work)
    start = time.perf_counter()
    try:
        metrics = train(recipe(training, names, output)).metrics["bbox"]
    except FloatingPointError:
        metrics = {"AP": 0.0, "AP50": 0.0, "diverged": True}
    metrics = {
        key: 0.0 if math.isnan(metrics[key]) else metrics[key] for key in ("AP", "AP50", "diverged") if key in metrics
    }
    epochs = training.iterations * BATCH / DATASETS[training.dataset].images
    return {**asdict(training), "epochs": round(epochs, 2), **metrics, "seconds": round(time.perf_counter() - start, 1)}


def table(results: list[dict]) -> str:
    """Return the results of both parts as Markdown tables."""
    lines = ["| dataset | images | iterations | epochs | AP | AP50 |", "|---|---|---|---|---|---|"]
    settings = {"AdamW", 1.5e-3, 5.0}
    lengths = [row for row in results if {row["optimizer"], row["lr"], row["clip"]} == settings]
    for name, dataset in DATASETS.items():
        rows = sorted((row for row in lengths if row["dataset"] == name), key=lambda row: row["iterations"])
        lines += [
            f"| {name} | {dataset.images} | {row['iterations']} | {row['epochs']:g}"
            f" | {row['AP']:.1f} | {row['AP50']:.1f} |"
            for row in rows
        ]
    lines += ["", "| optimizer | learning rate | maximum norm | AP |", "|---|---|---|---|"]
    for row in results:
        if row["dataset"] == "shapes_100" and row["iterations"] == CLIPPED_LENGTH:
            result = "diverged" if row.get("diverged") else f"{row['AP']:.1f}"
            lines.append(f"| {row['optimizer']} | {row['lr']:g} | {row['clip'] or 'no clipping'} | {result} |")
    return "\n".join(lines)


def main() -> None:
    """Run the trainings that are not in the results, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with voc_bccd/ and coco/")
    parser.add_argument("--work", type=Path, default=Path("training_length"), help="folder for the shapes and the run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the results as Markdown")
    options = parser.parse_args()
    content = json.loads(options.results.read_text()) if options.results.is_file() else {"results": []}
    if options.table:
        print(table(content["results"]))
        return
    content["machine"] = {
        "instruction_set": instruction_set(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    fields = Training.__dataclass_fields__
    done = {Training(**{key: row[key] for key in fields}) for row in content["results"]}
    for training in trainings():
        if training not in done:
            done.add(training)
            row = run(training, options.data, options.work)
            content["results"].append(row)
            write_json(content, options.results)
            print(row, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
