"""The table of published weights."""

import json
from importlib import resources

import pytest

from detectory.zoo import get_checkpoint_url, get_config, list_models, published_model, published_models


def test_the_table_has_all_published_weights():
    own = json.loads((resources.files("detectory.zoo") / "weights.json").read_text(encoding="utf-8"))
    assert len(own) == 64
    assert {row["name"] for row in own} <= set(published_models())


@pytest.mark.parametrize("suffix", ["", ".py", ".yaml"])
def test_suffix_is_optional(suffix):
    url = get_checkpoint_url(f"COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x{suffix}")
    assert url.endswith("/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl")


def test_unpublished_properties_are_none():
    model = published_model("COCO-Detection/faster_rcnn_R_50_C4_1x")
    assert (model.published, model.seconds_per_image) == ({"box_ap": 35.7}, 0.102)
    assert (model.sha256, model.size, model.licence) == (None, None, None)


def test_trained_config_starts_from_the_published_weights():
    config = get_config("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.py", trained=True)
    assert config.train.init_checkpoint == get_checkpoint_url("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x")


@pytest.mark.parametrize("name", ["ViTDet/COCO/mask_rcnn_vitdet_b_100ep.py", "unknown"])
def test_rejects_a_model_without_published_weights(name):
    with pytest.raises(KeyError, match=r"no weights are published"):
        get_checkpoint_url(name)


def test_list_models_filters_by_pattern_and_weights():
    models = list_models("new_baselines/*", trained=True)
    assert len(models) == 12
    assert all(name.startswith("new_baselines/") for name in models)
