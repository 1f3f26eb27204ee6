"""Recipes of DeepLab and Panoptic-DeepLab, and the agreement with the YAML configs."""

import pytest
import torch

from detectory import zoo
from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import instantiate

NAMES = [*zoo.list_models("DeepLab/*"), *zoo.list_models("Panoptic-DeepLab/*")]
QUICK = "coco_dsconv"
PARAMETERS = [name if name.endswith(QUICK) else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


def test_zoo_lists_the_recipes_with_published_weights():
    assert len(NAMES) == 5
    assert len(zoo.list_models("*DeepLab/*", trained=True)) == 5


@pytest.mark.parametrize("name", PARAMETERS)
def test_recipe_and_yaml_config_describe_the_same_model(name):
    recipe = zoo.get_config(name)
    cfg = model_zoo.get_config(f"{name}.yaml")
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        native = instantiate(recipe.model)
    compat = build_model(cfg)
    assert shapes(native) == shapes(compat)
    assert recipe.train.max_iter == cfg.SOLVER.MAX_ITER
    assert recipe.optimizer.lr == cfg.SOLVER.BASE_LR
    assert recipe.dataloader.train.total_batch_size == cfg.SOLVER.IMS_PER_BATCH


def shapes(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}
