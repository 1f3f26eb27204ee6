"""The demo from data to page: make or find a dataset, evaluate, train, evaluate, predict, export, write the page."""

import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
from omegaconf import DictConfig

from detectory.cli.demo import dataset
from detectory.cli.demo.page import Story, read_history, write_page
from detectory.cli.demo.recipe import demo_recipe
from detectory.cli.json_output import write_results
from detectory.cli.lookup import recipes
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.core.logging import setup_logger
from detectory.data import DatasetCatalog
from detectory.data.images import read_image
from detectory.engine import Predictor, train
from detectory.export import export_onnx
from detectory.structures import Instances
from detectory.visualization import Visualizer

_TRAIN_IMAGES, _VAL_IMAGES = 400, 60
_SHOWN = 12
_THRESHOLD = 0.6


def run_demo(output: Path, coco: Path | None, iterations: int | None) -> Path:
    """Run everything and return the path of the page.

    Args:
        output: The folder of all that is made; a run that was there before is replaced.
        coco: A folder in COCO layout to use, or None to generate textured shapes.
        iterations: Of training with 8 images each, or None for the demo's own choice.

    Raises:
        FileNotFoundError: `coco` is no folder in COCO layout.
        ModuleNotFoundError: shapes are to be generated and the photographs' packages are not installed.
    """
    start = time.perf_counter()
    run = output / "run"
    if run.exists():
        shutil.rmtree(run)
    folder = coco or generate(output / "dataset")
    config = demo_recipe(iterations or 400, *((256, 256) if coco is None else (288, 480)))
    found = recipes.use_dataset(config, folder)
    config.train.output_dir = str(run)
    setup_logger(str(run), name="detectory")
    recorded = len(DatasetCatalog.get(config.datasets.train)), len(DatasetCatalog.get(config.datasets.val))
    click.echo(
        f"\n{recorded[0]} images to train on, {recorded[1]} to evaluate on, {len(found.classes)} classes: {folder}"
    )

    click.echo("\nEvaluating the untrained model …")
    before = train(config, eval_only=True)
    click.echo("\nTraining …")
    training_start = time.perf_counter()
    after = train(config)
    training_minutes = (time.perf_counter() - training_start) / 60

    click.echo("\nPredicting and exporting …")
    model = instantiate(config.model)
    DetectionCheckpointer(model).load(recipes.last_checkpoint(run))
    predictor = Predictor(model, instantiate(config.dataloader.test.mapper.augmentations)[0])
    export = export_and_compare(predictor, config, run / "model.onnx")
    story = Story(
        title=f"Detectory: Mask R-CNN on {folder.resolve().name if coco else 'textured shapes'}",
        facts={
            "training images": recorded[0],
            "iterations": config.train.max_iter,
            "minutes of training": f"{training_minutes:.1f}",
            "million parameters": f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}",
        },
        history=read_history(run / "metrics.json"),
        before=before,
        after=after,
        pairs=held_out_pairs(predictor, config),
        unseen=[] if coco else photographs_never_seen(predictor, config),
        export=export,
        files={
            "configuration": "run/config.yaml",
            "checkpoint": f"run/{Path(recipes.last_checkpoint(run)).name}",
            "ONNX model": "run/model.onnx",
            "curves": "run/metrics.json",
            "results": "results.json",
        },
    )
    write_results({"before": before, "after": after, "export": export}, output / "results.json")
    page = write_page(story, output / "index.html")
    click.echo(f"\n{(time.perf_counter() - start) / 60:.1f} minutes in all. Open {page}")
    return page


def generate(folder: Path) -> Path:
    """Write the dataset of textured shapes anew and return its folder."""
    if folder.exists():
        shutil.rmtree(folder)
    total = _TRAIN_IMAGES + _VAL_IMAGES
    with click.progressbar(length=total, label="drawing shapes", file=sys.stderr) as bar:
        dataset.write_split(folder, "train", _TRAIN_IMAGES, seed=0, progress=bar.update)
        dataset.write_split(folder, "val", _VAL_IMAGES, seed=0, progress=bar.update)
    return folder


def held_out_pairs(predictor: Predictor, config: DictConfig) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Draw ground truth and prediction of the first held-out images."""
    metadata = SimpleNamespace(thing_classes=list(config.datasets.classes))
    pairs = []
    for record in DatasetCatalog.get(config.datasets.val)[:_SHOWN]:
        image = read_image(record["file_name"], format="RGB")
        truth = Visualizer(image, metadata).draw_dataset_dict(record).get_image()
        found = predictor.predict(record["file_name"], _THRESHOLD)
        caption = f"{Path(record['file_name']).name}: {len(record['annotations'])} objects, {len(found)} found"
        pairs.append((truth, draw(image, found, metadata), caption))
    return pairs


def photographs_never_seen(predictor: Predictor, config: DictConfig) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Put shapes on whole photographs of the held-out scenes, larger than any training image, and predict."""
    metadata = SimpleNamespace(thing_classes=list(config.datasets.classes))
    shown = []
    for number, name in enumerate(dataset.PHOTOGRAPHS["val"]):
        image = dataset.scatter_shapes(dataset.photograph(name), seed=number)
        found = predictor.predict(image, _THRESHOLD)
        shown.append((image, draw(image, found, metadata), f"{name}: {len(found)} found"))
    return shown


def draw(image: np.ndarray, instances: Instances, metadata: SimpleNamespace) -> np.ndarray:
    """Draw predictions on an RGB image and return the picture."""
    return Visualizer(image, metadata).draw_instance_predictions(instances).get_image()


def export_and_compare(predictor: Predictor, config: DictConfig, path: Path) -> dict[str, str | float]:
    """Export the model to ONNX; the export compares the file with eager on held-out images before it appears."""
    files = [record["file_name"] for record in DatasetCatalog.get(config.datasets.val)[:4]]
    resize = config.dataloader.test.mapper.augmentations[0]
    agreement = export_onnx(
        predictor.model,
        [predictor.prepare(file) for file in files],
        path,
        resize=(resize.short_edge_length, resize.max_size),
    )
    return {
        "held-out images compared": agreement.images,
        "detections of the model in PyTorch": agreement.detections,
        "detections of the ONNX model": agreement.exported_detections,
        "pairs of the same class that overlap": agreement.matched,
        "largest difference of a box, pixels": f"{agreement.boxes:.2g}",
        "largest difference of a score": f"{agreement.scores:.2g}",
        "largest share of a mask's pixels that differ": f"{agreement.masks:.2%}",
    }
