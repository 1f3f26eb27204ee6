"""`detectory predict`: annotated pictures and a COCO-results JSON of files, folders and patterns."""

from __future__ import annotations

import glob
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.options import device_option

if TYPE_CHECKING:
    from detectory.engine import Predictor
    from detectory.structures import Instances

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@click.command("predict")
@click.argument("inputs", nargs=-1, required=True)
@click.option("--run", type=click.Path(path_type=Path), help="The output folder of detectory train.")
@click.option("--model", help="A name of the zoo, with its published weights unless --weights is given.")
@click.option("--weights", help="A checkpoint: a file, an address or detectron2://… (default: the run's last).")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("predictions"), help="Folder of what comes out."
)
@click.option("--threshold", default=0.5, help="Leave out detections of a lower score, 0 to 1.")
@click.option("--batch-size", default=1, help="Images that go through the model at once.")
@device_option
def command(
    inputs: tuple[str, ...],
    run: Path | None,
    model: str | None,
    weights: str | None,
    output: Path,
    threshold: float,
    batch_size: int,
    device: str | None,
) -> None:
    """Detect objects in images.

    INPUTS are image files, folders (searched deeply) and patterns such as 'photos/*.jpg'.

    Writes one annotated picture an image and results.json in COCO's format, where `file_name` says which image an
    `image_id` is. An image that cannot be read is named, the others go on, and the exit code is 1.

    \b
    Examples:
      detectory predict photos/ --run run/ --threshold 0.7
      detectory predict street.jpg --model COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py
    """
    if (run is None) == (model is None):
        raise click.UsageError("give one of --run or --model")
    from detectory.core.storage import atomic_write
    from detectory.engine import instances_of

    files = find_images(inputs)
    predictor, classes = load_predictor(run, model, weights, device)
    output.mkdir(parents=True, exist_ok=True)
    names = picture_names(files)
    entries: list[dict[str, Any]] = []
    unreadable = 0
    start = time.perf_counter()
    with click.progressbar(length=len(files), label="predicting", file=sys.stderr) as bar:
        for index, (path, result) in enumerate(predictor.predict_files(files, batch_size=batch_size)):
            bar.update(1)
            if isinstance(result, Exception):
                unreadable += 1
                click.echo(f"\n{result}", err=True)
                continue
            instances = instances_of(result, threshold)
            draw(path, instances, classes, output / names[path])
            entries += results_entries(instances, index + 1, path)
    with atomic_write(output / "results.json") as file:
        file.write(json.dumps(entries).encode())
    rate = len(files) / max(time.perf_counter() - start, 1e-9)
    click.echo(f"{len(files) - unreadable} images, {len(entries)} detections, {rate:.1f} images/s: {output}/")
    if unreadable:
        raise click.ClickException(f"{unreadable} of {len(files)} images could not be read")


def find_images(inputs: Iterable[str]) -> list[Path]:
    """Expand files, folders and patterns into files, each once, in the order given.

    Raises:
        FileNotFoundError: an input matches nothing.
    """
    found: dict[Path, None] = {}
    for item in inputs:
        path = Path(item)
        if path.is_dir():
            matches = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
        elif path.is_file():
            matches = [path]
        else:
            matches = [Path(match) for match in sorted(glob.glob(item, recursive=True)) if Path(match).is_file()]
        if not matches:
            raise FileNotFoundError(f"{item}: no image file, folder with images, or pattern that matches one")
        found.update(dict.fromkeys(matches))
    return list(found)


def picture_names(files: list[Path]) -> dict[Path, str]:
    """Choose the annotated pictures' file names: the image's stem, with its folder where two images share one."""
    stems = [file.stem for file in files]
    names: dict[Path, str] = {}
    for file in files:
        name = file.stem if stems.count(file.stem) == 1 else "_".join([*file.parts[-3:-1], file.stem, file.suffix[1:]])
        number = list(names.values()).count(f"{name}.jpg")
        names[file] = f"{name}.jpg" if not number else f"{name}_{len(names)}.jpg"
    return names


def load_predictor(
    run: Path | None, model: str | None, weights: str | None, device: str | None
) -> tuple[Predictor, list[str]]:
    """Build the model of a run or of the zoo with its weights; return a predictor and the names of its classes."""
    from detectory.cli import recipes
    from detectory.core.checkpoint import DetectionCheckpointer
    from detectory.core.config import instantiate
    from detectory.engine import Predictor
    from detectory.zoo import get_checkpoint_url

    config = recipes.load_run(run) if run is not None else recipes.load_recipe(str(model))
    recipes.choose_device(config, device)
    built = instantiate(config.model)
    checkpoint = weights or (recipes.last_checkpoint(run) if run is not None else get_checkpoint_url(str(model)))
    DetectionCheckpointer(built).load(checkpoint)
    resize = instantiate(config.dataloader.test.mapper.augmentations)[0]
    return Predictor(built, resize, device=config.train.device), recipes.class_names(config)


def draw(path: Path, instances: Instances, classes: list[str], target: Path) -> None:
    """Write the annotated picture of one image."""
    from types import SimpleNamespace

    from detectory.data.detection import read_image
    from detectory.visualization import Visualizer

    picture = Visualizer(read_image(str(path), format="RGB"), SimpleNamespace(thing_classes=classes))
    picture.draw_instance_predictions(instances).save(str(target))


def results_entries(instances: Instances, image_id: int, path: Path) -> list[dict[str, Any]]:
    """Turn one image's detections into entries of a COCO-results JSON; category ids are class indices from 1."""
    from detectory.evaluation import instances_to_coco_json

    entries = instances_to_coco_json(instances, image_id)
    for entry in entries:
        entry["category_id"] += 1
        entry["file_name"] = str(path)
    return entries
