"""`detectory.zoo` builds the model of every YAML config: same parameters, settings and outputs as the compat model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from detectory import zoo
from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.checkpoint.catalog import ModelCatalog
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import instantiate

NAMES = sorted(json.loads((Path(__file__).parents[1] / "golden" / "compat_yaml_configs.json").read_text()))
FAST = (
    "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
    "COCO-Detection/rpn_R_50_C4_1x.yaml",
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x_giou.yaml",
    "Misc/panoptic_fpn_R_101_dconv_cascade_gn_3x.yaml",
)
all_names = pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
SCALARS = (bool, int, float, str, type(None))
#: Attributes that do not change a result, or that the loss weights below contain.
IGNORED = {"training", "call_super_init", "dump_patches", "vis_period", "loss_weight", "input_format"}
IGNORED |= {"conv_norm_relus", "fcs"}  # lists of layers of the compat classes


def compat_config(name: str) -> Any:
    config = model_zoo.get_config(name)
    config.MODEL.DEVICE = "meta"
    return config


def both_on_meta(name: str) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        return instantiate(zoo.get_config(name).model), build_model(compat_config(name))


def settings_of(model: nn.Module) -> dict[str, Any]:
    """Return the scalar attributes of all modules and of their matchers, anchors and transforms, by dotted path."""
    return dict(_settings(model))


def _settings(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if key.startswith("_") or key in IGNORED:
                continue
            parts = vars(value).items() if type(value).__module__.startswith("detectory.") else [("", value)]
            for part, setting in parts:
                plain = _plain(setting)
                if plain is not NotImplemented:
                    yield f"{path}.{key}.{part}", plain
        if hasattr(module, "loss_weight"):
            yield f"{path}.loss_weight", _loss_weights(module.loss_weight)


def _plain(value: Any) -> Any:
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(entry, SCALARS) for entry in value):
        return list(value)
    if isinstance(value, dict) and all(isinstance(entry, SCALARS) for entry in value.values()):
        return value
    return NotImplemented


def _loss_weights(weight: Any) -> Any:
    """Drop the weights of one, which are the default of every loss."""
    if isinstance(weight, dict):
        return {key: value for key, value in weight.items() if value != 1.0}
    return {} if weight == 1.0 else weight


@all_names
def test_state_dict_has_the_same_names_and_shapes(name):
    native, compat = (
        {key: tuple(value.shape) for key, value in model.state_dict().items()} for model in both_on_meta(name)
    )
    assert native == compat


@all_names
def test_same_parameters_are_trained(name):
    native, compat = ({key: p.requires_grad for key, p in model.named_parameters()} for model in both_on_meta(name))
    assert native == compat


@all_names
def test_modules_have_the_same_settings(name):
    native, compat = (settings_of(model) for model in both_on_meta(name))
    assert native == compat


@all_names
def test_training_has_the_same_settings(name):
    config, cfg = zoo.get_config(name), model_zoo.get_config(name)
    scheduler = config.lr_multiplier.scheduler
    ours = {
        "BASE_LR": config.optimizer.lr,
        "WEIGHT_DECAY": config.optimizer.weight_decay,
        "MOMENTUM": config.optimizer.momentum,
        "IMS_PER_BATCH": config.dataloader.train.total_batch_size,
        "MAX_ITER": config.train.max_iter,
        "STEPS": [round(step / scheduler.milestones[-1] * config.train.max_iter) for step in scheduler.milestones[:-1]],
        "WARMUP_ITERS": round(config.lr_multiplier.warmup_length * config.train.max_iter),
        "WARMUP_FACTOR": config.lr_multiplier.warmup_factor,
    }
    assert ours == {key: list(cfg.SOLVER[key]) if key == "STEPS" else cfg.SOLVER[key] for key in ours}
    weights = cfg.MODEL.WEIGHTS
    if weights.startswith("catalog://"):
        weights = ModelCatalog.get(weights.removeprefix("catalog://"))
    assert config.train.init_checkpoint == weights


@all_names
def test_data_has_the_same_settings(name):
    loaders, cfg = zoo.get_config(name).dataloader, model_zoo.get_config(name)
    train, test = loaders.train, loaders.test
    resize = next(step for step in train.mapper.augmentations if "short_edge_length" in step)
    names = train.dataset.names
    assert ([names] if isinstance(names, str) else list(names)) == list(cfg.DATASETS.TRAIN)
    assert [test.dataset.names] == list(cfg.DATASETS.TEST)
    assert list(resize.short_edge_length) == list(cfg.INPUT.MIN_SIZE_TRAIN)
    assert (resize.max_size, resize.sample_style) == (cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING)
    (resize,) = test.mapper.augmentations
    assert (resize.short_edge_length, resize.max_size) == (cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    assert train.mapper.image_format == cfg.INPUT.FORMAT
    assert train.mapper.use_instance_mask == cfg.MODEL.MASK_ON
    assert train.mapper.get("use_keypoint", False) == cfg.MODEL.KEYPOINT_ON
    assert train.mapper.get("recompute_boxes", False) == cfg.INPUT.CROP.ENABLED
    assert train.dataset.get("filter_empty", True) == cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    assert list(train.dataset.get("proposal_files", [])) == list(cfg.DATASETS.PROPOSAL_FILES_TRAIN)
    assert train.get("sampler", {}).get("_target_", "TrainingSampler").endswith(cfg.DATALOADER.SAMPLER_TRAIN)
    assert train.num_workers == cfg.DATALOADER.NUM_WORKERS


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "COCO-Detection/faster_rcnn_R_50_C4_1x.yaml",
        "COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml",
        "COCO-Detection/rpn_R_50_FPN_1x.yaml",
        "Detectron1-Comparisons/keypoint_rcnn_R_50_FPN_1x.yaml",
        "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
        "Misc/semantic_R_50_FPN_1x.yaml",
    ],
)
def test_models_return_the_same_outputs(name):
    config = model_zoo.get_config(name)
    config.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    native, compat = zoo.get(name), build_model(config).eval()
    compat.load_state_dict(native.state_dict())
    image = torch.rand(3, 160, 224) * 255
    with torch.no_grad():
        first, second = (model([{"image": image}])[0] for model in (native, compat))
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[key])
        else:
            fields = {field: getattr(entry, "tensor", entry) for field, entry in value.get_fields().items()}
            assert all(
                torch.equal(entry, getattr(second[key].get(field), "tensor", second[key].get(field)))
                for field, entry in fields.items()
            )
