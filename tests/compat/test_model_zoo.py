"""Python configs of the model zoo and their shared modules."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import LazyConfig, instantiate
from detectory.compat.detectron2.modeling import FPN, GeneralizedRCNN, build_model
from detectory.compat.detectron2.modeling.roi_heads import CascadeROIHeads
from detectory.core.config import locate

GOLDEN = Path(__file__).parents[1] / "golden" / "zoo_python_configs.json.gz"
FACTS = json.loads(gzip.decompress(GOLDEN.read_bytes()))
# ViTDet and MViTv2 configs belong to Detectron2's projects and are only available by name.
WITH_FILES = [name for name in sorted(FACTS) if not name.startswith(("ViTDet", "MViTv2"))]
CONFIGS = model_zoo.model_zoo.CONFIGS
IN_BOTH = [name[:-3] for name in WITH_FILES if (CONFIGS / name).with_suffix(".yaml").is_file()]
MODELS = sorted(path.name for path in (CONFIGS / "common" / "models").glob("*.py"))


@pytest.mark.parametrize("name", WITH_FILES)
def test_python_config_file_has_detectron2s_parts(name):
    config = LazyConfig.load(model_zoo.get_config_file(name))
    assert set(config) == set(FACTS[name])
    assert config.train.max_iter == FACTS[name]["train"]["max_iter"]
    assert config.model._target_.rpartition(".")[2] == FACTS[name]["model"]["_target_"].rpartition(".")[2]


def built_both_ways(stem, device):
    """Build the models of the YAML and the Python config with the same name."""
    recipe, config = model_zoo.get_config(f"{stem}.py"), model_zoo.get_config(f"{stem}.yaml")
    config.MODEL.DEVICE, config.MODEL.WEIGHTS = device, ""
    with torch.device(device):
        return build_model(config), instantiate(recipe.model)


@pytest.mark.parametrize("stem", IN_BOTH)
def test_yaml_and_python_configs_have_the_same_parameters(stem):
    first, second = ({key: value.shape for key, value in m.state_dict().items()} for m in built_both_ways(stem, "meta"))
    assert first == second


@pytest.mark.parametrize("name", MODELS)
def test_shared_model_builds(name):
    config = model_zoo.get_config(f"common/models/{name}")
    with torch.device("meta"):
        model = instantiate(config.model)
    assert isinstance(model, locate(config.model._target_))
    assert config.model._target_.startswith("detectory.compat.detectron2.modeling.meta_arch.")
    assert sum(parameter.numel() for parameter in model.parameters()) > 2e7


def test_shared_cascade_has_three_box_heads():
    config = model_zoo.get_config("common/models/cascade_rcnn.py")
    with torch.device("meta"):
        heads = instantiate(config.model).roi_heads
    assert isinstance(heads, CascadeROIHeads)
    assert [[name for name, _ in head.named_children() if name.startswith("fc")] for head in heads.box_head] == [
        ["fc1", "fc2"]
    ] * 3


@pytest.mark.parametrize(("times", "steps"), [(1, (2 / 3, 8 / 9)), (2, (2 / 3, 8 / 9)), (3, (7 / 9, 25 / 27))])
def test_shared_schedules_decay_twice(times, steps):
    schedule = instantiate(model_zoo.get_config("common/coco_schedule.py")[f"lr_multiplier_{times}x"])
    assert [schedule(where) for where in (steps[0] - 1e-4, steps[0] + 1e-4)] == [1.0, 0.1]
    assert [schedule(where) for where in (steps[1] - 1e-4, steps[1] + 1e-4)] == [0.1, 0.01]
    assert schedule(500 / (90_000 * times)) == pytest.approx(0.001 * 0.5 + 0.5)


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_shared_optimizers_accept_a_model(name):
    description = model_zoo.get_config("common/optim.py")[name]
    description.params.model = torch.nn.Linear(2, 3)
    assert type(instantiate(description)).__name__ == name


@pytest.mark.parametrize("name", ["coco", "coco_keypoint", "coco_panoptic_separated"])
def test_shared_loaders_have_three_parts(name):
    assert set(model_zoo.get_config(f"common/data/{name}.py").dataloader) == {"train", "test", "evaluator"}


def test_shared_constants_have_both_channel_orders():
    constants = model_zoo.get_config("common/data/constants.py").constants
    assert constants.imagenet_rgb256_mean == list(reversed(constants.imagenet_bgr256_mean))


def test_a_config_imports_sibling_files(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from detectron2 import model_zoo\n"
        'model = model_zoo.get_config("common/models/mask_rcnn_fpn.py").model\n'
        'train = model_zoo.get_config("common/train.py").train\n'
        "model.roi_heads.num_classes = 3\n".replace("detectron2", "detectory.compat.detectron2")
    )
    config = LazyConfig.load(str(path))
    assert (config.model.roi_heads.mask_head.num_classes, config.train.max_iter) == (3, 90_000)


def test_models_are_randomly_initialised_by_default():
    model = model_zoo.get("Misc/scratch_mask_rcnn_R_50_FPN_3x_gn.yaml", trained=False, device="cpu")
    assert isinstance(model, GeneralizedRCNN)
    assert isinstance(model.backbone, FPN)


@pytest.mark.parametrize("name", ["Invalid/config.yaml", "Invalid/config.py"])
def test_unknown_names_raise_runtime_errors(name):
    with pytest.raises(RuntimeError, match=r"Invalid/config"):
        model_zoo.get(name)


@pytest.mark.parametrize("suffix", ["yaml", "py"])
def test_checkpoint_url(suffix):
    address = model_zoo.get_checkpoint_url(f"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.{suffix}")
    folder, file = address.rsplit("/", 1)
    assert folder.endswith("/detectron2/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x/137260431")
    assert file == "model_final_a54504.pkl"
