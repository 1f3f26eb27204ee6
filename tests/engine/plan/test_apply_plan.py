"""Writing a plan into a recipe."""

from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from detectory.engine.plan import InitialWeights, PlanRequest, apply_plan, make_plan
from detectory.engine.plan.apply import best_metric
from detectory.engine.plan.request import overridden_keys
from detectory.engine.plan.weights import train_from_random
from detectory.zoo import get_config

COCO = InitialWeights("coco", "model.pkl", "published", has_heads=True)


def applied(config, facts, machine, weights, request=PlanRequest(), keep=()):  # noqa: B008
    plan = make_plan(facts, config, machine, weights, request)
    apply_plan(config, plan, weights, facts, keep, init_dataset="coco_2017_train")
    return plan, config


def test_the_recipe_has_the_values_of_the_plan(facts, large, cpu):
    plan, config = applied(large, facts, cpu, COCO, PlanRequest(epochs=4))
    train = config.train
    assert (train.max_iter, train.eval_period, train.init_checkpoint) == (2000, plan.eval_every.value, "model.pkl")
    assert (config.optimizer.lr, config.dataloader.train.total_batch_size) == (0.0025, 2)
    assert config.dataloader.train.num_workers == config.dataloader.test.num_workers == 0
    assert config.lr_multiplier.warmup_length == plan.warmup.value / 2000
    assert 0 < plan.warmup.value <= 100
    assert train.clip_gradients.clip_type == "full_model"
    assert (train.checkpointer.max_to_keep, train.best_metric, train.init_dataset) == (3, "segm/AP", "coco_2017_train")


def test_image_sizes_are_scaled_in_proportion(facts, large, cpu):
    _, config = applied(large, facts, cpu, COCO, PlanRequest(image_size=400))
    train, test = (config.dataloader[name].mapper.augmentations[0] for name in ("train", "test"))
    assert (test.short_edge_length, test.max_size) == (400, 666)
    assert (list(train.short_edge_length), train.max_size) == ([320, 336, 352, 368, 384, 400], 666)


def test_keys_of_the_user_are_kept(facts, large, cpu):
    keys = ["train.clip_gradients.clip_value", "dataloader.train.mapper.augmentations.0.short_edge_length", "optimizer"]
    _, config = applied(large, facts, cpu, COCO, PlanRequest(image_size=400), keys)
    assert "clip_gradients" not in config.train
    assert config.optimizer.lr == 0.02
    assert list(config.dataloader.train.mapper.augmentations[0].short_edge_length)[-1] == 800
    assert config.dataloader.test.mapper.augmentations[0].short_edge_length == 400


def test_elements_of_lists_are_kept_in_both_notations(facts, large, cpu):
    keys = overridden_keys(
        ["dataloader.train.mapper.augmentations[0].max_size=700", "dataloader.test.mapper.augmentations.0.max_size=800"]
    )
    for loader, key in zip(("train", "test"), keys, strict=True):
        OmegaConf.update(large, key, {"train": 700, "test": 800}[loader])
    _, config = applied(large, facts, cpu, COCO, PlanRequest(image_size=400), keys)
    train, test = (config.dataloader[name].mapper.augmentations[0] for name in ("train", "test"))
    assert (train.max_size, test.max_size) == (700, 800)
    assert (list(train.short_edge_length)[-1], test.short_edge_length) == (400, 400)


def test_models_with_random_weights_are_not_frozen(facts, large, cpu, random_weights):
    _, config = applied(large, facts, cpu, random_weights)
    resnet = config.model.backbone.bottom_up
    assert (resnet.stem.norm, resnet.stages.norm, resnet.freeze_at) == ("BN", "BN", 0)
    assert "init_dataset" not in config.train


def test_stages_of_lists_are_unfrozen():
    config = get_config("COCO-Detection/retinanet_R_101_FPN_3x")
    train_from_random(config)
    assert {stage.norm for stage in config.model.backbone.bottom_up.stages} == {"BN"}


def test_masks_that_are_not_polygons_are_loaded_as_bitmaps(facts, large, cpu):
    _, config = applied(large, replace(facts, masks={"polygons": 10, "rle": 1}), cpu, COCO)
    assert config.dataloader.train.mapper.instance_mask_format == "bitmask"


def test_base_rates_of_parameter_groups_follow_the_learning_rate(facts, large, cpu):
    large.optimizer.params.base_lr = 0.04
    _, config = applied(large, facts, cpu, COCO)
    assert config.optimizer.params.base_lr == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("recipe", "metric"),
    [
        ("COCO-Detection/retinanet_R_18_FPN_small", "bbox/AP"),
        ("COCO-Keypoints/keypoint_rcnn_R_18_FPN_small", "keypoints/AP"),
        ("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small", "segm/AP"),
    ],
)
def test_the_best_model_is_selected_by_the_task(recipe, metric):
    assert best_metric(get_config(recipe)) == metric
