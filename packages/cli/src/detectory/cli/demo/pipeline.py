"""The demo pipeline: dataset, training, evaluation, prediction, ONNX export and result page."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
from omegaconf import DictConfig

from detectory.cli.demo import dataset
from detectory.cli.demo.page import DemoResults, read_history, write_page
from detectory.cli.demo.plan import DATASET_PLANS, SHAPES_PLANS, DemoPlan, choose_plan, measure_iteration
from detectory.cli.demo.recipe import demo_recipe
from detectory.cli.json_output import write_json
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.core.logging import setup_logger
from detectory.core.processor import limit_threads
from detectory.data import DatasetCatalog
from detectory.data.images import read_image
from detectory.engine import Predictor, evaluate, train
from detectory.engine.inference.run_folder import last_checkpoint
from detectory.engine.recipe.use_dataset import use_dataset
from detectory.export import export
from detectory.structures import Instances
from detectory.visualization import Visualizer

_TRAIN_IMAGES, _VAL_IMAGES = 400, 60
_SHOWN_IMAGES = 12
_THRESHOLD = 0.6


def claim_output(output: Path, overwrite: bool) -> None:
    """Mark a folder as the output of the demo, which replaces the subfolders `run` and `dataset` without asking again.

    Raises:
        FileExistsError: If the folder contains files that are not from a demo, and `overwrite` is not set.
    """
    mark = output / ".detectory-demo"
    if output.is_dir() and any(output.iterdir()) and not (mark.exists() or overwrite):
        raise FileExistsError(f"{output} contains other files. Choose another --output, or pass --overwrite")
    output.mkdir(parents=True, exist_ok=True)
    mark.touch()


def run_demo(output: Path, coco: Path | None, iterations: int | None, minutes: float = 6.0) -> Path:
    """Run all steps and return the path of the result page.

    Args:
        output: Output folder; the run of an earlier demo is replaced.
        coco: Dataset in COCO layout, or None to generate textured shapes.
        iterations: Training iterations of 8 images each; None to choose size and iterations by `minutes`.
        minutes: Time budget of the whole demo on this machine.

    Raises:
        FileNotFoundError: If `coco` is not a folder in COCO layout.
        ModuleNotFoundError: If shapes have to be generated, but the packages with the background images are missing.
    """
    limit_threads()
    start = time.perf_counter()
    run = output / "run"
    if run.exists():
        shutil.rmtree(run)
    folder = coco or generate_dataset(output / "dataset")
    plan = plan_training(folder, SHAPES_PLANS if coco is None else DATASET_PLANS, iterations, minutes)
    config = demo_recipe(plan.iterations, plan.short_edge, plan.max_size, plan.batch_size, plan.width)
    classes = use_dataset(config, folder).classes
    config.train.output_dir = str(run)
    setup_logger(str(run), name="detectory")
    train_count, val_count = (len(DatasetCatalog.get(config.datasets[split])) for split in ("train", "val"))
    click.echo(f"\n{folder}: {train_count} training images, {val_count} validation images, {len(classes)} classes")

    click.echo("\nEvaluating the untrained model …")
    before = evaluate(config)
    click.echo("\nTraining …")
    training_start = time.perf_counter()
    after = train(config).metrics
    training_minutes = (time.perf_counter() - training_start) / 60

    click.echo("\nPredicting and exporting …")
    model = instantiate(config.model)
    DetectionCheckpointer(model).load(last_checkpoint(run))
    predictor = Predictor(model, instantiate(config.dataloader.test.mapper.augmentations)[0])
    export = export_and_compare(predictor, config, run / "model.onnx")
    results = DemoResults(
        title=f"Detectory: Mask R-CNN on {folder.resolve().name if coco else 'textured shapes'}",
        facts={
            "training images": train_count,
            "iterations": config.train.max_iter,
            "training minutes": f"{training_minutes:.1f}",
            "million parameters": f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}",
        },
        history=read_history(run / "metrics.json"),
        before=before,
        after=after,
        held_out=draw_validation_images(predictor, config),
        unseen=[] if coco else draw_unseen_images(predictor, config),
        export=export,
        files={
            "configuration": "run/config.yaml",
            "checkpoint": f"run/{Path(last_checkpoint(run)).name}",
            "ONNX model": "run/model.onnx",
            "training curves": "run/metrics.json",
            "metrics": "results.json",
        },
    )
    write_json({"before": before, "after": after, "export": export}, output / "results.json")
    page = write_page(results, output / "index.html")
    click.echo(f"\nFinished in {(time.perf_counter() - start) / 60:.1f} minutes. Open {page}")
    return page


def plan_training(folder: Path, plans: Sequence[DemoPlan], iterations: int | None, minutes: float) -> DemoPlan:
    """Return the training plan, measured on this machine unless the number of iterations is given, and announce it."""
    if iterations is not None:
        return replace(plans[0], iterations=iterations)

    def measure(plan: DemoPlan) -> float:
        config = demo_recipe(plan.iterations, plan.short_edge, plan.max_size, plan.batch_size, plan.width)
        use_dataset(config, folder)
        return measure_iteration(config)

    click.echo("\nMeasuring the speed of this machine …")
    plan = choose_plan(plans, minutes, measure)
    click.echo(
        f"{plan.iterations} iterations of {plan.batch_size} images at {plan.short_edge} pixels,"
        f" {plan.seconds_per_iteration:.2f} s each: about {max(round(plan.minutes), 1)} minutes of training"
        f" on this machine. --minutes sets the time budget of the whole demo (now {minutes:g})."
    )
    return plan


def generate_dataset(folder: Path) -> Path:
    """Write the dataset of textured shapes, replacing an earlier one, and return its folder."""
    if folder.exists():
        shutil.rmtree(folder)
    total = _TRAIN_IMAGES + _VAL_IMAGES
    with click.progressbar(length=total, label="drawing shapes", file=sys.stderr) as bar:
        dataset.write_split(folder, "train", _TRAIN_IMAGES, seed=0, progress=bar.update)
        dataset.write_split(folder, "val", _VAL_IMAGES, seed=0, progress=bar.update)
    return folder


def draw_validation_images(predictor: Predictor, config: DictConfig) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Draw the ground truth and the predictions of the first validation images; return them with captions."""
    metadata = SimpleNamespace(thing_classes=list(config.datasets.classes))
    drawings = []
    for record in DatasetCatalog.get(config.datasets.val)[:_SHOWN_IMAGES]:
        image = read_image(record["file_name"], format="RGB")
        ground_truth = Visualizer(image, metadata).draw_dataset_dict(record).get_image()
        detections = predictor.predict(record["file_name"], _THRESHOLD)
        name = Path(record["file_name"]).name
        caption = f"{name}: {len(record['annotations'])} objects, {len(detections)} detections"
        drawings.append((ground_truth, draw_detections(image, detections, metadata), caption))
    return drawings


def draw_unseen_images(predictor: Predictor, config: DictConfig) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Draw shapes on whole background images of the validation split, which are larger than the training images."""
    metadata = SimpleNamespace(thing_classes=list(config.datasets.classes))
    drawings = []
    for seed, name in enumerate(dataset.BACKGROUNDS["val"]):
        image = dataset.scatter_shapes(dataset.read_background(name), seed=seed)
        detections = predictor.predict(image, _THRESHOLD)
        drawings.append((image, draw_detections(image, detections, metadata), f"{name}: {len(detections)} detections"))
    return drawings


def draw_detections(image: np.ndarray, detections: Instances, metadata: SimpleNamespace) -> np.ndarray:
    """Draw detections on an RGB image and return the result."""
    return Visualizer(image, metadata).draw_instance_predictions(detections).get_image()


def export_and_compare(predictor: Predictor, config: DictConfig, path: Path) -> dict[str, str | float]:
    """Export the model to ONNX and return how it compares with PyTorch on validation images.

    `export` makes the comparison and writes the file only if the outputs agree.
    """
    files = [record["file_name"] for record in DatasetCatalog.get(config.datasets.val)[:4]]
    agreement = export(predictor, path, files)
    return {
        "validation images": agreement.images,
        "detections in PyTorch": agreement.detections,
        "detections in ONNX": agreement.exported_detections,
        "matched detections (same class, overlapping)": agreement.matched,
        "maximum difference of box coordinates, pixels": f"{agreement.boxes:.2g}",
        "maximum difference of scores": f"{agreement.scores:.2g}",
        "maximum fraction of different pixels in a mask": f"{agreement.masks:.2%}",
    }
