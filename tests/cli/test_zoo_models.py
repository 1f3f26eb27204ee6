"""`detectory zoo`: published metrics, verification of weights, and unknown properties."""

import hashlib
import json
from pathlib import Path

import pytest

from detectory.cli.lookup import zoo_models
from detectory.zoo import PublishedModel

RETINANET = "COCO-Detection/retinanet_R_50_FPN_1x.py"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Return a model whose weights are a file:// URL with hash digits in its name; the cache is empty."""
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    digits = hashlib.sha256(b"weights").hexdigest()[:6]
    source = tmp_path / f"model_final_{digits}.pkl"
    source.write_bytes(b"weights")
    model = zoo_models.ZooModel("a/b", PublishedModel("a/b", source.as_uri(), {"box_ap": 40.0}))
    monkeypatch.setattr(zoo_models, "find_models", lambda pattern="*": [model])
    return model


def test_list_prints_metrics_and_counts(detectory):
    result = detectory("zoo", "list", "COCO-Keypoints/*R_50_FPN_1x")
    assert result.stdout == "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x  box AP 53.6  keypoint AP 64.0\n"
    assert result.stderr == "1 model, 1 with published weights\n"


def test_list_accepts_a_part_of_the_name(detectory):
    names = [row["name"] for row in json.loads(detectory("zoo", "list", "fcos", "--json").output)]
    assert names == ["COCO-Detection/fcos_R_50_FPN_1x"]


def test_list_omits_models_without_weights(detectory):
    result = detectory("zoo", "list", "fcos", "--trained")
    assert result.exit_code == 1
    assert result.stderr == "Error: zoo list: no model matches 'fcos' with published weights\n"


def test_unpublished_properties_are_null_in_json(detectory):
    row = json.loads(detectory("zoo", "list", "COCO-Detection/retinanet_R_50_FPN_1x", "--json").output)[0]
    assert (row["licence"], row["sha256"], row["size"]) == (None, None, None)
    assert row["metrics"] == {"box_ap": 37.4}


def test_info_prints_parameters_and_unknown_properties(detectory):
    shown = detectory("zoo", "info", RETINANET).output
    assert "37915572" in shown
    assert "licence            unknown" in shown
    assert "unverified (no published hash)" in shown


def test_info_of_an_unknown_name_suggests_the_nearest(detectory):
    result = detectory("zoo", "info", "COCO-Detection/retinanet_R_51_FPN_1x")
    assert result.exit_code == 1
    assert "did you mean" in result.stderr


def test_download_writes_to_the_cache_and_checks_the_hash_digits(detectory, published, tmp_path):
    result = detectory("zoo", "download", "a/b", "--json")
    file = json.loads(result.stdout)[0]
    assert file["path"].startswith(str(tmp_path / "cache"))
    assert file["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert file["verification"].startswith("SHA-256 digits")


def test_download_replaces_a_changed_file_only_with_overwrite(detectory, published):
    path = Path(json.loads(detectory("zoo", "download", "a/b", "--json").stdout)[0]["path"])
    assert detectory("zoo", "download", "a/b").exit_code == 0
    path.write_bytes(b"mine")
    result = detectory("zoo", "download", "a/b")
    assert result.exit_code == 1
    assert "the file is damaged or was changed" in result.stderr
    assert path.read_bytes() == b"mine"
    assert detectory("zoo", "download", "a/b", "--overwrite").exit_code == 0
    assert path.read_bytes() == b"weights"


def test_download_rejects_a_model_without_weights(detectory):
    result = detectory("zoo", "download", "COCO-Detection/fcos_R_50_FPN_1x.py")
    assert result.exit_code == 1
    assert "'COCO-Detection/fcos_R_50_FPN_1x' has no published weights" in result.stderr


def test_hash_of_the_first_download_is_used_without_digits_in_the_name(published, tmp_path):
    file = tmp_path / "model_final_123456.pkl"
    file.with_name(f"{file.name}.sha256").write_text("ab" * 32)
    model = PublishedModel("a/b", "https://a/model_final_123456.pkl")
    assert zoo_models._verification(model, file).startswith("SHA-256 of the first download")
