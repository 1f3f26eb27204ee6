"""Builds the model that a person names, whichever way: a recipe, a Detectron2 YAML config, or the folder of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from detectory.cli.lookup import detectron2_configs, recipes
from detectory.core.checkpoint import DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.data import MetadataCatalog
from detectory.data.transforms import Augmentation, ResizeShortestEdge
from detectory.zoo import get_checkpoint_url


@dataclass(frozen=True)
class NamedModel:
    """A model that is ready to be used.

    Attributes:
        model: In evaluation mode, on its device.
        resize: How its config resizes a picture first.
        metadata: Names and colours of what it finds.
        device: Where it is.
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
) -> NamedModel:
    """Build a model and load its weights.

    Args:
        name: The folder of a run, a recipe's name or file, a YAML config's name or file.
        overrides: `KEY=VALUE` arguments.
        weights: A checkpoint; by default the run's last, or the published weights of the name; `""` for random ones.
        device: By default the config's, or the CPU where there is no CUDA device.

    Raises:
        KeyError: nobody published weights under this name, and `weights` is not given.
    """
    if isinstance(name, str) and detectron2_configs.is_detectron2_config(name):
        return _from_yaml(name, overrides, weights, device)
    run = Path(name) if Path(name).is_dir() else None
    detectron2_run = detectron2_configs.find_run(run) if run is not None else None
    if run is not None and detectron2_run is not None:
        path, data = detectron2_run
        weights = recipes.last_checkpoint(run) if weights is None else weights
        return _from_yaml(path, overrides, weights, device, data)
    config = recipes.load_run(run) if run is not None else recipes.load_recipe(str(name))
    recipes.apply_overrides(config, overrides)
    where = recipes.choose_device(config, device)
    model = instantiate(config.model).to(where).eval()
    if weights is None:
        weights = recipes.last_checkpoint(run) if run is not None else get_checkpoint_url(str(name))
    DetectionCheckpointer(model).load(weights)
    resize = instantiate(config.dataloader.test.mapper.augmentations)[0]
    return NamedModel(model, resize, recipes.metadata(config), where)


def _from_yaml(
    name: str, overrides: Sequence[str], weights: str | None, device: str | None, data: Path | None = None
) -> NamedModel:
    from detectory.compat.detectron2.modeling import build_model

    cfg = detectron2_configs.load(name, overrides, data=data, weights=weights, device=device)
    if weights is None and not Path(name).is_file():
        cfg.MODEL.WEIGHTS = get_checkpoint_url(name)
    model = build_model(cfg).eval()
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    dataset = cfg.DATASETS.TEST[0] if cfg.DATASETS.TEST else "__unused"
    return NamedModel(model, resize, MetadataCatalog.get(dataset), cfg.MODEL.DEVICE)
