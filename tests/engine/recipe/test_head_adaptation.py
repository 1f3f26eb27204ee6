"""Weights of classes are kept by name: box, mask, dense and cascade heads."""

from types import SimpleNamespace

import pytest
import torch

from detectory.core.config import instantiate
from detectory.data import MetadataCatalog
from detectory.data.classes import ClassList
from detectory.engine.recipe import building
from detectory.engine.recipe.head_adaptation import HeadAdaptation, describe_matches
from detectory.engine.recipe.use_dataset import set_num_classes
from detectory.zoo import get_config

RETINANET = "COCO-Detection/retinanet_R_18_FPN_small"
OLD, NEW = ("person", "traffic light", "dog"), ("Dog", "mug", "traffic_light", "person", "pen")
#: Index in OLD of every class in NEW.
MATCHES = (2, None, 1, 0, None)


def build(recipe, num_classes):
    config = get_config(recipe)
    set_num_classes(config, num_classes)
    return instantiate(config.model)


def adapt(recipe):
    """Return the old weights, the initial ones of the new model, and the adapted ones."""
    old, model = build(recipe, len(OLD)), build(recipe, len(NEW))
    before = {name: value.clone() for name, value in old.state_dict().items()}
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    state = old.state_dict()
    HeadAdaptation(model, NEW, OLD)(state, {})
    model.load_state_dict(state, strict=True)
    return before, initial, model.state_dict()


def assert_rows(name, per_class=1, groups=1, background=False, *, states):
    """Compare the outputs of every class of a parameter."""
    old, initial, new = (state[name].reshape(groups, -1, *state[name].shape[1:]).transpose(0, 1) for state in states)
    for index, match in enumerate(MATCHES):
        rows = slice(index * per_class, (index + 1) * per_class)
        expected = initial[rows] if match is None else old[match * per_class : (match + 1) * per_class]
        assert torch.equal(new[rows], expected)
    if background:
        assert torch.equal(new[-1], old[-1])


def test_box_and_mask_heads():
    states = adapt("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small")
    for kind in ("weight", "bias"):
        assert_rows(f"roi_heads.box_predictor.cls_score.{kind}", background=True, states=states)
        assert_rows(f"roi_heads.box_predictor.bbox_pred.{kind}", per_class=4, states=states)
        assert_rows(f"roi_heads.mask_head.predictor.{kind}", states=states)
    stem = "backbone.bottom_up.stem.conv1.weight"
    assert torch.equal(states[2][stem], states[0][stem])


def test_dense_heads_with_anchors():
    states = adapt(RETINANET)
    assert_rows("head.cls_score.weight", groups=9, states=states)
    assert_rows("head.cls_score.bias", groups=9, states=states)


@pytest.mark.slow
def test_dense_and_cascade_heads_at_full_width():
    assert_rows("head.cls_score.weight", states=adapt("COCO-Detection/fcos_R_50_FPN_1x"))
    states = adapt("Misc/cascade_mask_rcnn_R_50_FPN_3x")
    for stage in range(3):
        assert_rows(f"roi_heads.box_predictor.{stage}.cls_score.weight", background=True, states=states)
    name = "roi_heads.box_predictor.0.bbox_pred.weight"
    assert torch.equal(states[2][name], states[0][name])  # class-agnostic


def test_keypoint_heads_are_kept_if_the_number_of_keypoints_is_the_same():
    states = adapt("COCO-Keypoints/keypoint_rcnn_R_18_FPN_small")
    name = "roi_heads.keypoint_head.score_lowres.weight"
    assert torch.equal(states[2][name], states[0][name])


def test_the_classes_of_the_checkpoint_precede_the_given_ones():
    old, model = (
        build("COCO-Detection/retinanet_R_18_FPN_small", 2),
        build("COCO-Detection/retinanet_R_18_FPN_small", 2),
    )
    state = old.state_dict()
    bias = state["head.cls_score.bias"].copy_(torch.arange(18.0)).clone().view(9, 2)
    HeadAdaptation(model, ("b", "a"), ("x", "y"))(state, {"classes": {"names": ["a", "b"]}})
    assert torch.equal(state["head.cls_score.bias"].view(9, 2), bias.flip(1))


def test_heads_of_unknown_classes_are_not_changed():
    old, model = (
        build("COCO-Detection/retinanet_R_18_FPN_small", 4),
        build("COCO-Detection/retinanet_R_18_FPN_small", 2),
    )
    state = old.state_dict()
    HeadAdaptation(model, ("a", "b"))(state, {})
    HeadAdaptation(model, ("a", "b"), ("a", "b", "c"))(state, {})
    assert state["head.cls_score.bias"].shape == (36,)


def test_kept_new_and_dropped_classes_are_listed():
    assert describe_matches(OLD, NEW) == "kept Dog, traffic_light, person; new mug, pen; dropped none"
    assert describe_matches(OLD, ("mug",)) == "kept none; new mug; dropped person, traffic light, dog"


def test_the_heads_of_sharded_models_are_adapted(monkeypatch, tmp_path):
    monkeypatch.setattr(building, "shard_model", lambda model, **_: None)
    for name, classes in (("old", OLD), ("new", NEW)):
        if name in MetadataCatalog:
            MetadataCatalog.remove(name)
        MetadataCatalog.get(name).thing_classes = list(classes)
    before = build(RETINANET, len(OLD)).state_dict()
    torch.save({"model": before}, tmp_path / "old.pth")
    config = get_config(RETINANET)
    config.dataloader.train.dataset.names = "new"
    config.train.update(init_dataset="old", init_checkpoint=str(tmp_path / "old.pth"), fsdp={})
    model = build(RETINANET, len(NEW))
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    building.shard(config, model, SimpleNamespace(), ClassList(NEW, tuple(range(len(NEW)))))
    assert_rows("head.cls_score.weight", groups=9, states=(before, initial, model.state_dict()))
