"""The initial weights of a plan; downloads are from a local server."""

import http.server
import threading
from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.engine.plan.conftest import LARGE, SMALL

from detectory.core.storage import DownloadError
from detectory.engine.plan import choose_weights
from detectory.zoo import get_config, published


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve `tmp_path/files` as the origin of all published weights, with an empty cache."""
    files = tmp_path / "files"
    files.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Handler, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
        url = f"http://127.0.0.1:{running.server_address[1]}"
        models = {LARGE: replace(published.published_models()[LARGE], url=f"{url}/coco.pkl")}
        monkeypatch.setattr("detectory.engine.plan.weights.published_models", lambda: models)
        config = get_config(LARGE)
        config.train.init_checkpoint = f"{url}/R-50.pkl"
        yield files, url, config
        running.shutdown()


def checkpoint(path, name, *, classes=None):
    """Write a checkpoint with one parameter and return its path."""
    stored = {"classes": {"names": classes, "ids": list(range(len(classes)))}} if classes else {}
    torch.save({"model": {name: torch.zeros(3)}, **stored}, path)
    return str(path)


def test_published_weights_come_first(server):
    files, url, config = server
    (files / "coco.pkl").write_bytes(b"weights")
    weights = choose_weights(LARGE, config)
    assert (weights.source, weights.checkpoint, weights.has_heads) == ("coco", f"{url}/coco.pkl", True)


def test_imagenet_weights_replace_unavailable_coco_weights(server):
    files, _, config = server
    (files / "R-50.pkl").write_bytes(b"weights")
    weights = choose_weights(LARGE, config)
    assert (weights.source, weights.is_trained, weights.has_heads) == ("imagenet", True, False)
    assert weights.reason.startswith("coco.pkl cannot be downloaded (HTTP Error 404: File not found)")
    assert weights.reason.endswith("Pass a downloaded file with --from FILE")


def test_without_any_file_the_weights_are_random_and_one_line_says_how_to_pass_a_file(server):
    weights = choose_weights(LARGE, server[2])
    assert (weights.source, weights.checkpoint) == ("none", "")
    assert "coco.pkl cannot" in weights.reason
    assert "R-50.pkl cannot" in weights.reason
    assert weights.reason.endswith("Pass a downloaded file with --from FILE")
    assert "\n" not in weights.reason


def test_the_reason_names_the_offline_mode(server, monkeypatch):
    monkeypatch.setenv("DETECTORY_OFFLINE", "1")
    weights = choose_weights(LARGE, server[2])
    assert weights.reason.startswith("coco.pkl cannot be downloaded (DETECTORY_OFFLINE is set); R-50.pkl cannot")


def test_requested_weights_that_cannot_be_downloaded_are_an_error(server):
    with pytest.raises(DownloadError, match=r"coco.pkl cannot be downloaded .*--from FILE$"):
        choose_weights(LARGE, server[2], "coco")


def test_a_file_is_used_as_it_is(server, tmp_path):
    file = checkpoint(tmp_path / "own.pth", "roi_heads.box_predictor.cls_score.weight", classes=["mug", "pen"])
    weights = choose_weights(LARGE, server[2], file)
    assert (weights.source, weights.checkpoint, weights.is_set) == (file, file, True)
    assert (weights.has_heads, weights.classes) == (True, ("mug", "pen"))
    with pytest.raises(FileNotFoundError, match=r"missing.pth: no such file. Initial weights are coco, imagenet, none"):
        choose_weights(LARGE, server[2], "missing.pth")


@pytest.mark.parametrize(
    ("name", "has_heads"),
    [
        ("backbone.bottom_up.res2.0.conv1.weight", False),
        ("layer1.0.conv1.weight", False),
        ("fc.weight", False),
        ("roi_heads.box_predictor.cls_score.bias", True),
        ("head.cls_score.weight", True),
        ("cls_score_w", True),
    ],
)
def test_files_of_backbones_have_no_heads(server, tmp_path, name, has_heads):
    weights = choose_weights(LARGE, server[2], checkpoint(tmp_path / "own.pth", name))
    assert weights.has_heads == has_heads
    assert weights.reason == ("" if has_heads else "the weights of a backbone: the heads are new")


@pytest.mark.parametrize("is_detector", [True, False])
def test_a_file_in_the_recipe_is_not_called_imagenet(server, tmp_path, is_detector):
    name = "sem_seg_head.predictor.weight" if is_detector else "stem.conv1.weight"
    server[2].train.init_checkpoint = file = checkpoint(tmp_path / "own.pth", name)
    weights = choose_weights("my_recipe.py", server[2])
    assert (weights.source, weights.has_heads, weights.is_set) == (file, is_detector, False)
    assert weights.reason == "the recipe's initial weights"


def test_a_missing_file_in_the_recipe_is_an_error(server):
    server[2].train.init_checkpoint = "missing.pth"
    with pytest.raises(FileNotFoundError, match=r"^missing.pth: no such file"):
        choose_weights("my_recipe.py", server[2])


def test_small_recipes_start_from_random_weights():
    config = get_config(SMALL)
    assert choose_weights(SMALL, config).source == "none"
    with pytest.raises(ValueError, match=f"got 'coco': {SMALL} has no coco weights"):
        choose_weights(SMALL, config, "coco")
