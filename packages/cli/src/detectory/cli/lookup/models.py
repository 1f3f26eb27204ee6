"""Models with weights, built from a recipe, a Detectron2 YAML config or a run folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from detectory.cli.lookup import detectron2_configs, recipes
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.core.processor import limit_threads
from detectory.data import MetadataCatalog
from detectory.data.transforms import Augmentation, ResizeShortestEdge
from detectory.zoo import get_checkpoint_url


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference.

    Attributes:
        model: The model with its weights, in evaluation mode and on its device.
        resize: Test-time resizing of the model's config.
        metadata: Class names and colours.
        device: Device of the model, e.g. "cuda:0".
    """

    model: nn.Module
    resize: Augmentation
    metadata: Any
    device: str


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
        weights: A checkpoint; by default the run's last one or the published weights; `""` for random weights.
        device: By default the config's device, or the CPU if CUDA is unavailable.

    Raises:
        KeyError: If `weights` is not given and no weights are published under this name.
    """
    limit_threads()
    run = Path(name) if Path(name).is_dir() else None
    if run is not None and (detectron2_run := detectron2_configs.find_run(run)) is not None:
        config_file, data = detectron2_run
        weights = recipes.last_checkpoint(run) if weights is None else weights
        return _load_detectron2_model(config_file, overrides, weights, device, data)
    if isinstance(name, str) and detectron2_configs.is_detectron2_config(name):
        return _load_detectron2_model(name, overrides, weights, device)
    config = recipes.load_run(run) if run is not None else recipes.load_recipe(str(name))
    recipes.apply_overrides(config, overrides)
    chosen_device = recipes.choose_device(config, device)
    model = instantiate(config.model).to(chosen_device).eval()
    if weights is None:
        weights = recipes.last_checkpoint(run) if run is not None else get_checkpoint_url(str(name))
    DetectionCheckpointer(model).load(weights)
    resize = instantiate(config.dataloader.test.mapper.augmentations)[0]
    return LoadedModel(model, resize, recipes.class_metadata(config), chosen_device)


def _load_detectron2_model(
    name: str, overrides: Sequence[str], weights: str | None, device: str | None, data: Path | None = None
) -> LoadedModel:
    from detectory.compat.detectron2.modeling import build_model

    cfg = detectron2_configs.load(name, overrides, data=data, weights=weights, device=device)
    if weights is None and not Path(name).is_file():
        cfg.MODEL.WEIGHTS = get_checkpoint_url(name)
    model = build_model(cfg).eval()
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    dataset = cfg.DATASETS.TEST[0] if cfg.DATASETS.TEST else "__unused"
    return LoadedModel(model, resize, MetadataCatalog.get(dataset), cfg.MODEL.DEVICE)
