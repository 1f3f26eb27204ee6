"""Models with weights, built from a recipe, a Detectron2 YAML config or a run folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from detectory.cli.lookup import detectron2_configs
from detectory.core.config import LazyConfig
from detectory.core.processor import limit_threads
from detectory.data import MetadataCatalog
from detectory.engine.inference.run_folder import TrainedModel, best_checkpoint, build_trained, describe_checkpoint
from detectory.engine.recipe.datasets import dataset_names
from detectory.engine.recipe.lookup import load_recipe, load_run_recipe
from detectory.zoo import get_checkpoint_url


@dataclass(frozen=True)
class LoadedModel(TrainedModel):
    """A model ready for inference, for drawing and for results.

    Attributes:
        metadata: Class names and colours.
        datasets: Names of the registered datasets of the model's config, the test datasets first.
    """

    metadata: Any
    datasets: tuple[str, ...]


def load_model(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    weights: str | None = None,
    device: str | None = None,
) -> LoadedModel:
    """Build a model and load its weights.

    Args:
        name: A run folder, a zoo name, or a recipe or Detectron2 YAML file.
        overrides: `KEY=VALUE` arguments.
        weights: A checkpoint; by default the run's best one or the published weights; `""` for random weights.
        device: By default the config's device, or the CPU if CUDA is unavailable.

    Raises:
        KeyError: If `weights` is not given and no weights are published under this name.
    """
    limit_threads()
    run = Path(name) if Path(name).is_dir() else None
    if run is not None and (detectron2_run := detectron2_configs.find_run(run)) is not None:
        config_file, data = detectron2_run
        weights = weights_of(run) if weights is None else weights
        return _load_detectron2_model(config_file, overrides, weights, device, data)
    if isinstance(name, str) and detectron2_configs.is_detectron2_config(name):
        return _load_detectron2_model(name, overrides, weights, device)
    config = load_run_recipe(run, needs_data=False) if run is not None else load_recipe(str(name))
    LazyConfig.apply_overrides(config, list(overrides))
    if weights is None:
        weights = weights_of(run) if run is not None else get_checkpoint_url(str(name))
    trained = build_trained(config, weights, device)
    datasets = (*dataset_names(config, "test"), *dataset_names(config, "train"))
    return _with_metadata(trained, datasets)


def weights_of(run: Path) -> str:
    """Return the best checkpoint of a run, and print which one it is."""
    path = best_checkpoint(run)
    click.echo(f"weights: {describe_checkpoint(path)}", err=True)
    return path


def _load_detectron2_model(
    name: str, overrides: Sequence[str], weights: str | None, device: str | None, data: Path | None = None
) -> LoadedModel:
    from detectory.compat.detectron2.engine.run_folder import build_trained as build_detectron2

    cfg = detectron2_configs.load(name, overrides, data=data, weights=weights, device=device)
    if weights is None and not Path(name).is_file():
        cfg.MODEL.WEIGHTS = get_checkpoint_url(name)
    return _with_metadata(build_detectron2(cfg), (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN))


def _with_metadata(trained: TrainedModel, datasets: tuple[str, ...]) -> LoadedModel:
    """Add the metadata of the first dataset with the classes of the model, else only its class names."""
    parts = trained.model, trained.resize, trained.classes, trained.device
    for name in datasets:
        metadata = MetadataCatalog.get(name)
        names = metadata.get("thing_classes")
        if trained.classes is None or (names is not None and tuple(names) == trained.classes.names):
            return LoadedModel(*parts, metadata, datasets)
    names = None if trained.classes is None else list(trained.classes.names)
    named: Any = SimpleNamespace(thing_classes=names) if names else MetadataCatalog.get("__unused")
    return LoadedModel(*parts, named, datasets)
