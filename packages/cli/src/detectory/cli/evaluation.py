"""Evaluation of a run, a recipe, an exported file or a Detectron2 YAML config, for `detectory eval`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from detectory.cli.exported.files import evaluate_file
from detectory.cli.lookup import detectron2_configs
from detectory.cli.lookup.models import weights_of
from detectory.core.config import LazyConfig
from detectory.data import MetadataCatalog
from detectory.engine import evaluate
from detectory.engine.recipe.evaluation import set_output_dir
from detectory.engine.recipe.lookup import choose_device, load_recipe, load_run_recipe
from detectory.engine.recipe.use_dataset import use_dataset


@dataclass(frozen=True)
class ModelEvaluation:
    """Metrics of a model on its test set.

    Attributes:
        metrics: Task, such as "bbox", to metric to value in percent.
        annotations: Annotation file of the test set, or None if the dataset does not have one.
        images: Image folder of the test set, or None.
    """

    metrics: dict[str, dict[str, float]]
    annotations: Path | None
    images: Path | None


def evaluate_model(
    recipe: str | None,
    run: Path | None,
    overrides: tuple[str, ...],
    *,
    file: Path | None = None,
    weights: str | None = None,
    data: Path | None = None,
    split: str = "val",
    device: str | None = None,
    output: Path | None = None,
) -> ModelEvaluation:
    """Run a model over the test set of its config and compute its metrics.

    Args:
        recipe: Zoo name or config file; None if `run` or `file` is given.
        run: Run folder; None if `recipe` or `file` is given.
        overrides: `KEY=VALUE` arguments.
        file: An exported file, evaluated on `data`.
        weights: Checkpoint; by default the run's best one.
        data: Dataset that replaces the test set.
        split: The split of `data`, or of the folder that the run was trained on.
        device: By default the config's device, or the CPU if CUDA is unavailable.
        output: Folder for the detections.

    Raises:
        click.UsageError: If `recipe` is given without weights.
    """
    if file is not None and data is not None:
        return _with_dataset_files(*evaluate_file(str(file), data, split, device=device, output=output))
    if run is not None and (detectron2_run := detectron2_configs.find_run(run)) is not None:
        recipe, data = detectron2_run[0], data or detectron2_run[1]
        weights = weights or weights_of(run)
    if recipe is not None and detectron2_configs.is_detectron2_config(recipe):
        if weights is None and not any(override.startswith("MODEL.WEIGHTS=") for override in overrides):
            raise click.UsageError("RECIPE needs --weights")
        metrics, dataset = detectron2_configs.evaluate(
            recipe, overrides, output=output, data=data, weights=weights, device=device, split=split
        )
        return _with_dataset_files(metrics, dataset)
    config = load_run_recipe(run) if run is not None else load_recipe(str(recipe))
    if data is None and split != "val":
        folder = config.get("datasets", {}).get("folder")
        if not folder:
            raise click.UsageError("--split needs --data, or a run that was trained with --data")
        data = Path(folder)
    if data is not None:
        use_dataset(config, data, keep_classes=run is not None, split=split, for_training=False)
    LazyConfig.apply_overrides(config, list(overrides))
    choose_device(config, device)
    config.train.init_checkpoint = weights or (weights_of(run) if run is not None else "")
    if not config.train.init_checkpoint:
        raise click.UsageError("RECIPE needs --weights")
    if output is not None:
        config.train.output_dir = str(output)
        set_output_dir(config.dataloader.get("evaluator"), output)
    metrics = evaluate(config)
    names = config.dataloader.test.dataset.names
    return _with_dataset_files(metrics, names if isinstance(names, str) else names[0])


def format_metrics(metrics: dict[str, Any]) -> str:
    """Return a table with one column per task and one row per metric; per-class metrics are omitted."""
    names = list(dict.fromkeys(name for values in metrics.values() for name in values if "-" not in name))
    rows = [["", *metrics]]
    for name in names:
        values = [task.get(name) for task in metrics.values()]
        rows.append([name, *("-" if value is None or value != value else f"{value:.2f}" for value in values)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def _with_dataset_files(metrics: dict[str, dict[str, float]], dataset: str) -> ModelEvaluation:
    metadata = MetadataCatalog.get(dataset)
    annotations, images = metadata.get("json_file", None), metadata.get("image_root", None)
    if not annotations:
        return ModelEvaluation(metrics, None, None)
    return ModelEvaluation(metrics, Path(annotations), Path(images) if images else None)
