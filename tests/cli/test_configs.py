"""`detectory config`: display, comparison and conversion of configs."""

import json

import pytest
import torch
import yaml

from detectory.cli.configs.call_recorder import CallRecorder
from detectory.cli.configs.conversion import recipe_config, recipe_text
from detectory.cli.lookup import detectron2_configs
from detectory.compat.detectron2.model_zoo.model_zoo import CONFIGS
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import LazyConfig, instantiate
from detectory.modeling.matcher import Matcher

RETINANET = "COCO-Detection/retinanet_R_50_FPN_1x"
CONVERTED = [
    f"{RETINANET}.yaml",
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml",
    "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml",
    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
    "PascalVOC-Detection/faster_rcnn_R_50_C4.yaml",
]
ALL_YAMLS = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


def _original_and_converted(name, tmp_path):
    """Return the model of a YAML config and the model of the converted recipe, both on the meta device."""
    cfg = detectron2_configs.load(name, ["MODEL.DEVICE=meta"], keep_device=True)
    path = tmp_path / "recipe.py"
    path.write_text(recipe_text(cfg, name))
    with torch.device("meta"):
        return build_model(cfg), instantiate(LazyConfig.load(str(path)).model)


def _shapes(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _settings(model):
    """Return the public attributes of all modules by path, in a form that can be compared.

    The modules of compat also have their layers as lists, which are not settings.
    """
    return {
        f"{path}.{name}": _comparable(value)
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "conv_norm_relus" and not _has_modules(value)
    }


def _has_modules(value):
    return isinstance(value, list) and any(isinstance(item, torch.nn.Module) for item in value)


def _comparable(value):
    if isinstance(value, (list, tuple)):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    attributes = vars(value) if type(value).__module__.startswith("detectory.") else {}
    return type(value).__name__, {name: _comparable(item) for name, item in attributes.items()}


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_config_builds_the_same_model(name, tmp_path):
    original, converted = _original_and_converted(name, tmp_path)
    assert _shapes(converted) == _shapes(original)
    assert _settings(converted) == _settings(original)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL_YAMLS if name not in CONVERTED])
def test_every_converted_config_builds_the_same_model(name, tmp_path):
    original, converted = _original_and_converted(name, tmp_path)
    assert _shapes(converted) == _shapes(original)
    assert _settings(converted) == _settings(original)


def test_model_zoo_has_65_yaml_configs():
    assert len(ALL_YAMLS) == 65


def test_converted_recipe_contains_data_loaders_and_solver():
    recipe = recipe_config(
        detectron2_configs.load("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml", ["SOLVER.MAX_ITER=7"])
    )
    assert recipe.dataloader.train.dataset.names == "keypoints_coco_2017_train"
    assert recipe.dataloader.train.mapper.use_keypoint
    assert (recipe.train.max_iter, recipe.optimizer.lr) == (7, 0.02)
    assert recipe.lr_multiplier.warmup_length == 1.0


def test_converted_recipe_defines_the_number_of_classes_once():
    recipe = recipe_config(detectron2_configs.load("Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml", []))
    recipe.model.roi_heads.num_classes = 3
    assert [predictor.num_classes for predictor in recipe.model.roi_heads.box_predictors] == [3, 3, 3]


def test_recorder_returns_the_constructor_call_of_an_object():
    with CallRecorder() as recorder:
        matcher = Matcher([0.5], [0, 1])
    assert recorder.call_of(matcher).target is Matcher
    assert recorder.call_of(object()) is None


def test_convert_writes_a_recipe(detectory, tmp_path):
    target = tmp_path / "mine.py"
    result = detectory("config", "convert", f"{RETINANET}.yaml", "MODEL.RETINANET.NUM_CLASSES=3", "--output", target)
    assert (result.exit_code, result.output) == (0, f"Wrote {target}. To train it: detectory train {target}\n")
    assert LazyConfig.load(str(target)).model.num_classes == 3


def test_convert_does_not_overwrite_an_existing_file(detectory, tmp_path):
    target = tmp_path / "mine.py"
    target.write_text("existing")
    result = detectory("config", "convert", f"{RETINANET}.yaml", "--output", target)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert target.read_text() == "existing"


def test_convert_rejects_a_recipe(detectory):
    result = detectory("config", "convert", f"{RETINANET}.py")
    assert result.exit_code == 1
    assert "not a Detectron2 YAML config" in result.stderr


def test_show_prints_yaml_that_can_be_loaded(detectory, tmp_path):
    path = tmp_path / "shown.yaml"
    path.write_text(detectory("config", "show", f"{RETINANET}.py").output)
    assert instantiate(LazyConfig.load(str(path)).model.anchor_matcher).thresholds[1:3] == [0.4, 0.5]


def test_show_prints_a_part_with_overrides_applied(detectory):
    result = detectory("config", "show", f"{RETINANET}.py", "optimizer", "optimizer.lr=0.5", "--json")
    assert json.loads(result.output)["lr"] == 0.5


def test_show_prints_a_part_of_a_detectron2_config(detectory):
    shown = yaml.safe_load(detectory("config", "show", f"{RETINANET}.yaml", "MODEL.RETINANET").output)
    assert shown["NUM_CLASSES"] == 80


def test_show_as_python_resolves_interpolations(detectory):
    assert "num_classes=80" in detectory("config", "show", f"{RETINANET}.py", "model.head", "--python").output


def test_unknown_key_suggests_the_nearest_key(detectory):
    result = detectory("config", "show", f"{RETINANET}.py", "model.had")
    assert result.exit_code == 1
    assert "no 'had' in model: did you mean 'head'?" in result.stderr


def test_diff_of_equal_configs_is_empty(detectory):
    result = detectory("config", "diff", f"{RETINANET}.py", f"{RETINANET}.py")
    assert (result.exit_code, result.output) == (0, "")


def test_diff_prints_a_changed_value_once(detectory, tmp_path):
    config = LazyConfig.load(_saved_config(detectory, tmp_path))
    config.model.num_classes = 3
    LazyConfig.save(config, str(tmp_path / "changed.yaml"))
    result = detectory("config", "diff", f"{RETINANET}.py", tmp_path / "changed.yaml")
    assert (result.exit_code, result.output) == (1, "- model.num_classes: 80\n+ model.num_classes: 3\n")


def test_diff_compares_a_detectron2_config_with_a_recipe(detectory):
    result = detectory("config", "diff", f"{RETINANET}.yaml", f"{RETINANET}.py", "--json")
    differences = json.loads(result.output)
    assert not any(key.startswith(("model.num_classes", "model.head.num", "optimizer")) for key in differences)


def _saved_config(detectory, tmp_path):
    path = tmp_path / "same.yaml"
    path.write_text(detectory("config", "show", f"{RETINANET}.py").output)
    return str(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a recipe: model and dataloader and train must be config nodes, but it is empty"),
        ("model: 3\ntrain: {}\n", "model and dataloader must be config nodes, but it defines model, train"),
        ("MODEL: 3\n", "the config key 'MODEL' is a section with keys such as"),
        ("MODEL: {ROI_HEADS: }\n", "the config key 'MODEL.ROI_HEADS' is a section"),
        ("MODEL: {ROI_HEADS: {NUM_CLASSES: many}}\n", "'MODEL.ROI_HEADS.NUM_CLASSES' has type int (80), got str"),
        ("MODEL: {HEADS: 1}\n", "the config has no key 'MODEL.HEADS', did you mean 'ROI_HEADS'?"),
        ("_BASE_: 3\nMODEL: {}\n", "_BASE_ must be a path or a list of paths, got 3"),
        ("VERSION: new\nMODEL: {}\n", "config VERSION must be an integer, got 'new'"),
    ],
)
def test_invalid_config_files_are_named(detectory, tmp_path, content, message):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    result = detectory("train", str(path), "--output", str(tmp_path / "run"))
    assert result.exit_code == 1
    assert f"{path}: " in result.output
    assert message in result.output


def test_a_missing_recipe_suggests_the_nearest(detectory, tmp_path):
    result = detectory("train", "COCO-Detection/retinanet_R50_FPN_1x.py")
    assert "not a recipe of the zoo. Did you mean COCO-Detection/retinanet_R_50_FPN_1x" in result.output
    assert f"{tmp_path} is a folder, not a recipe" in detectory("train", str(tmp_path)).output
