"""Recipes of PointRend and the agreement with the YAML configs."""

import pytest
import torch

from detectory import zoo
from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import instantiate

NAMES = sorted(zoo.list_models("PointRend/*"))
QUICK = "pointrend_rcnn_R_50_FPN_1x_coco"
PARAMETERS = [name if name.endswith(QUICK) else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


def test_zoo_lists_the_recipes_with_published_weights():
    assert len(NAMES) == 8
    assert len(zoo.list_models("PointRend/*", trained=True)) == 6
    name = "PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco.yaml"
    assert zoo.get_checkpoint_url(name).endswith("model_final_736f5a.pkl")


@pytest.mark.parametrize(
    "name",
    [
        name if name.endswith("pointrend_rcnn_R_50_FPN_1x_coco") else pytest.param(name, marks=pytest.mark.slow)
        for name in NAMES
    ],
)
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
