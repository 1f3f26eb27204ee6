"""Every recipe has the key tree and the values of Detectron2's Python configs."""

import gzip
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from detectory.core.config import dotted_path, instantiate
from detectory.zoo import get_config
from detectory.zoo.recipes import find_recipe, recipe_names

GOLDEN = Path(__file__).parents[1] / "golden"
_PUBLISHED = json.loads(gzip.decompress((GOLDEN / "zoo_python_configs.json.gz").read_bytes()))
FACTS = {name.removesuffix(".py"): config for name, config in _PUBLISHED.items()}
STEM = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x"


def last_names(path):
    """Return `Class` or `Class.method` of a dotted path, which is independent of the module."""
    parts = path.removeprefix("None.").split(".")  # defined in the config file itself
    first = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return parts[first:]


def same_callable(ours, fact):
    """Compare callables by name; Detectron2's lambdas and modules are only known as printed text, without a name."""
    if "<lambda>" in fact or fact.startswith(("ResNet(", "ToTensor")):
        return True
    if isinstance(ours, partial):
        inner = fact.removeprefix("functools.partial(")
        name = ours.func.__name__
        return name in inner and all(f"{key}={value}" in inner for key, value in ours.keywords.items())
    return last_names(ours if isinstance(ours, str) else dotted_path(ours)) == last_names(fact)


def differences(ours, fact, path=""):
    if isinstance(ours, dict) and isinstance(fact, dict):
        # Shapes are data classes in Detectron2 and calls here.
        keys = set(ours) | set(fact) - {"_target_"} if "_target_" in fact else (set(ours) | set(fact)) - {"_target_"}
        return [line for key in sorted(keys) for line in differences(ours.get(key), fact.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(fact, list) and len(ours) == len(fact):
        pairs = enumerate(zip(ours, fact, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    is_call = isinstance(fact, str) and (callable(ours) or path.endswith("._target_") or not isinstance(ours, str))
    if (ours == fact and type(ours) is type(fact)) or (is_call and same_callable(ours, fact)):
        return []
    return [f"{path}: {ours!r}, expected {fact!r}"]


@pytest.mark.parametrize("name", sorted(FACTS))
def test_recipe_has_the_published_values(name):
    ours = OmegaConf.to_container(find_recipe(name)(), resolve=False)
    assert differences(ours, FACTS[name]) == []


def test_the_zoo_has_every_published_recipe():
    assert set(FACTS) <= set(recipe_names())


@pytest.mark.parametrize("suffix", [".py", ".yaml"])
def test_suffix_is_optional(suffix):
    assert get_config(STEM) == get_config(f"{STEM}{suffix}")


def test_every_call_returns_a_new_config():
    get_config(STEM).model.roi_heads.num_classes = 3
    assert get_config(STEM).model.roi_heads.num_classes == 80


def test_one_override_reaches_all_heads():
    config = get_config(STEM)
    config.model.roi_heads.num_classes = 3
    assert config.model.roi_heads.mask_head.num_classes == 3


def test_rejects_an_unknown_recipe_and_lists_the_nearest():
    with pytest.raises(KeyError, match=r"mask_rcnn_R_50_FPN_1x"):
        get_config("COCO-InstanceSegmentation/mask_rcnn_R50_FPN_1x.py")


@pytest.mark.parametrize("name", [name for name in sorted(FACTS) if "mmdet" not in name and "imagenet" not in name])
def test_recipe_builds_on_the_meta_device(name):
    with torch.device("meta"):
        model = instantiate(get_config(name).model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e6


def test_recipe_of_an_image_classifier_builds():
    pytest.importorskip("torchvision", reason="pip install torchvision")
    with torch.device("meta"):
        model = instantiate(get_config("Misc/torchvision_imagenet_R_50.py").model)
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_557_032
