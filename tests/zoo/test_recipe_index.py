"""The index of recipes lists every recipe with its module and its number of parameters."""

import json
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

from detectory import zoo
from detectory.zoo import recipes

SMALL = ["COCO-Detection/faster_rcnn_R_18_FPN_small", "COCO-Detection/retinanet_R_50_FPN_1x"]


def module_of(recipe):
    return getattr(recipe, "func", recipe).__module__


def test_index_lists_every_recipe_of_the_zoo():
    for info in pkgutil.walk_packages(recipes.__path__, f"{recipes.__name__}."):
        import_module(info.name)
    indexed = json.loads((Path(recipes.__file__).parent / "index.json").read_text(encoding="utf-8"))
    registered = {name for name, recipe in recipes.RECIPES.items() if module_of(recipe).startswith("detectory.zoo.")}
    assert registered == indexed.keys(), "run tools/write_recipe_index.py"


@pytest.mark.parametrize("name", SMALL)
def test_index_counts_the_parameters(name):
    assert recipes.count_parameters(name) == sum(parameter.numel() for parameter in zoo.get(name).parameters())
