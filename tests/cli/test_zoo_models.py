"""`detectory zoo`: what is published is told, what is not is said to be unknown."""

import hashlib
import json

import pytest

from detectory.cli.lookup import zoo_models
from detectory.zoo import PublishedModel

RETINANET = "COCO-Detection/retinanet_R_50_FPN_1x.py"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A published file whose name ends in the digits of its hash, offered by file://, with an empty cache."""
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    digits = hashlib.sha256(b"weights").hexdigest()[:6]
    source = tmp_path / f"model_final_{digits}.pkl"
    source.write_bytes(b"weights")
    entry = zoo_models.ZooEntry("a/b", PublishedModel("a/b", source.as_uri(), {"box_ap": 40.0}))
    monkeypatch.setattr(zoo_models, "entries", lambda pattern="*": [entry])
    return entry


def test_list_shows_figures_and_counts(detectory):
    result = detectory("zoo", "list", "COCO-Keypoints/*R_50_FPN_1x")
    assert result.stdout == "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x  box AP 53.6  keypoint AP 64.0\n"
    assert result.stderr == "1 models, 1 with published weights\n"


def test_list_takes_a_part_of_the_name(detectory):
    names = [row["name"] for row in json.loads(detectory("zoo", "list", "fcos", "--json").output)]
    assert names == ["COCO-Detection/fcos_R_50_FPN_1x"]


def test_list_leaves_out_models_without_weights(detectory):
    result = detectory("zoo", "list", "fcos", "--trained")
    assert result.exit_code == 1
    assert result.stderr == "Error: zoo list: no model matches 'fcos' with published weights\n"


def test_what_nobody_published_is_null_in_json(detectory):
    row = json.loads(detectory("zoo", "list", "COCO-Detection/retinanet_R_50_FPN_1x", "--json").output)[0]
    assert (row["licence"], row["sha256"], row["size"]) == (None, None, None)
    assert row["figures"] == {"box_ap": 37.4}


def test_info_counts_parameters_and_says_what_is_unknown(detectory):
    shown = detectory("zoo", "info", RETINANET).output
    assert "37915572" in shown
    assert "licence           unknown" in shown
    assert "unverified: nobody published its hash" in shown


def test_info_of_an_unknown_name_gives_the_nearest(detectory):
    result = detectory("zoo", "info", "COCO-Detection/retinanet_R_51_FPN_1x")
    assert result.exit_code == 1
    assert "did you mean" in result.stderr


def test_download_fetches_into_the_cache_and_checks_the_digits_of_the_name(detectory, published, tmp_path):
    result = detectory("zoo", "download", "a/b", "--json")
    file = json.loads(result.stdout)[0]
    assert file["path"].startswith(str(tmp_path / "cache"))
    assert file["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert file["verified"].startswith("by the digits")


def test_download_of_a_model_without_weights_says_so(detectory):
    result = detectory("zoo", "download", "COCO-Detection/fcos_R_50_FPN_1x.py")
    assert result.exit_code == 1
    assert "no weights are published for 'COCO-Detection/fcos_R_50_FPN_1x'" in result.stderr


def test_a_hash_that_is_not_in_the_name_is_that_of_the_first_download(published, tmp_path):
    file = tmp_path / "model_final_123456.pkl"
    file.with_name(f"{file.name}.sha256").write_text("ab" * 32)
    known = PublishedModel("a/b", "https://a/model_final_123456.pkl")
    assert zoo_models._verification(known, file).startswith("against the hash of its first download")
