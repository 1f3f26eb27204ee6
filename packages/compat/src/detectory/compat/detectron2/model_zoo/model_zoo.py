"""Configs and weights of the model zoo under Detectron2's config names."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from detectory.compat.detectron2._projects import PROJECTS, find_project_config
from detectory.compat.detectron2.config import CfgNode, LazyConfig, get_cfg, instantiate
from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.core.suggestions import nearest
from detectory.zoo import get_config as native_config
from detectory.zoo import published_model

CONFIGS = Path(__file__).parent / "configs"


def get_config_file(config_path: str) -> str:
    """Return the path of a config file.

    Args:
        config_path: Name such as `"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"`, or
            `"PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco.yaml"` for a project.

    Raises:
        RuntimeError: If the zoo does not contain the file; the message lists the nearest names.
        ModuleNotFoundError: If the config belongs to a project that is not installed.
    """
    in_project = find_project_config(config_path)
    path = CONFIGS / config_path if in_project is None else in_project[1]
    if not path.is_file():
        folder, root = ("", CONFIGS) if in_project is None else (in_project[0], PROJECTS[in_project[0]].configs())
        known = [str(folder / p.relative_to(root)) for p in root.rglob("*") if p.suffix in (".yaml", ".py")]
        raise RuntimeError(f"get_config_file: {config_path} is not in the model zoo, {nearest(config_path, known)}")
    return str(path)


def get_checkpoint_url(config_path: str) -> str:
    """Return the URL of the weights trained with a config.

    Raises:
        RuntimeError: If weights were not published; the message lists the nearest names.
    """
    try:
        return published_model(config_path).url
    except KeyError as error:
        raise RuntimeError(error.args[0]) from error


def get_config(config_path: str, trained: bool = False) -> Any:
    """Return a config: a `CfgNode` for `.yaml`, an omegaconf tree for `.py`.

    Args:
        config_path: Name of the config.
        trained: Set the weights to those trained with the config instead of the initial ones.

    Raises:
        RuntimeError: If the zoo does not contain the config, or its weights were not published.
    """
    if config_path.endswith(".yaml"):
        return _yaml_config(config_path, trained)
    if config_path.endswith(".py"):
        return _python_config(config_path, trained)
    raise RuntimeError(f"get_config: config_path must end in .yaml or .py, got {config_path!r}")


def get(config_path: str, trained: bool = False, device: str | None = None) -> nn.Module:
    """Build the model of a config.

    Args:
        config_path: Name of the config.
        trained: Load the weights trained with the config (downloaded once). Otherwise the model is randomly
            initialised, unless the config refers to weights other than a pre-trained backbone.
        device: Override the config's device; by default the CPU replaces an unavailable GPU.

    Raises:
        RuntimeError: If the zoo does not contain the config, or its weights were not published.
    """
    from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
    from detectory.compat.detectron2.modeling import build_model

    config = get_config(config_path, trained)
    if device is None and not torch.cuda.is_available():
        device = "cpu"
    if isinstance(config, CfgNode):
        if device is not None:
            config.MODEL.DEVICE = device
        model = build_model(config)
        weights = config.MODEL.WEIGHTS
    else:
        model = instantiate(config.model)
        model = model.to(device) if device is not None else model.cuda()
        weights = config.train.init_checkpoint
    DetectionCheckpointer(model).load(weights if trained else "")
    return model


def _yaml_config(config_path: str, trained: bool) -> CfgNode:
    config = get_cfg()
    if (in_project := find_project_config(config_path)) is not None:
        PROJECTS[in_project[0]].add_keys(config)
    config.merge_from_file(get_config_file(config_path))
    if trained:
        config.MODEL.WEIGHTS = get_checkpoint_url(config_path)
    return config


def _python_config(config_path: str, trained: bool) -> Any:
    if (CONFIGS / config_path).is_file():
        config = LazyConfig.load(get_config_file(config_path))
    else:
        try:
            config = with_compat_targets(native_config(config_path))
        except KeyError as error:
            raise RuntimeError(error.args[0]) from error
    if trained:
        config.train.init_checkpoint = get_checkpoint_url(config_path)
    return config


class _ModelZooUrls:
    """URLs of published weights by config name without suffix."""

    S3_PREFIX = "https://dl.fbaipublicfiles.com/detectron2/"

    @staticmethod
    def query(config_path: str) -> str | None:
        """Return the URL of the weights trained with a config, None if they were not published."""
        try:
            return get_checkpoint_url(config_path)
        except RuntimeError:
            return None
