"""Parity of config-built models with Detectron2: state dicts, outputs, losses and gradients."""

import gzip
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import instantiate
from detectory.compat.detectron2.modeling import build_model

FOLDER = Path(__file__).parents[1] / "golden" / "compat_parity"
NAMES = sorted(path.name.removesuffix(".json.gz").replace("__", "/") for path in FOLDER.glob("*.json.gz"))
FIRST = [f"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.{suffix}" for suffix in ("yaml", "py")]


def golden_of(name):
    info = json.loads(gzip.decompress((FOLDER / f"{name.replace('/', '__')}.json.gz").read_bytes()))
    return golden_of(info["same_as"]) if "same_as" in info else info


def build_on_meta(name):
    config = model_zoo.get_config(name)
    with torch.device("meta"):
        if name.endswith(".py"):
            return instantiate(config.model)
        config.MODEL.DEVICE = "meta"
        return build_model(config)


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("parity_check", FOLDER / "check.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER))
    return module


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_has_detectron2s_names_and_shapes(name):
    state = {key: list(value.shape) for key, value in build_on_meta(name).state_dict().items()}
    assert state == golden_of(name)["state"]


@pytest.mark.parametrize("name", NAMES)
def test_number_of_trainable_parameters_equals_detectron2s(name):
    trained = sum(p.numel() for p in build_on_meta(name).parameters() if p.requires_grad)
    assert trained == golden_of(name)["trainable"]


@pytest.mark.parametrize(
    "name", [name if name in FIRST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_outputs_losses_and_gradients_equal_detectron2s(check, name):
    agrees, line = check.run(name, FOLDER, losses=True)
    assert agrees, line


@pytest.mark.parametrize(
    "name",
    [str(p.relative_to(model_zoo.model_zoo.CONFIGS)) for p in sorted(model_zoo.model_zoo.CONFIGS.rglob("*.yaml"))],
)
def test_every_yaml_config_builds(name):
    assert sum(parameter.numel() for parameter in build_on_meta(name).parameters()) > 1e6
