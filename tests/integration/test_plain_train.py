"""The example examples/plain_train.py runs and stays short."""

import importlib.util
import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plain_train.py"


@pytest.fixture(scope="module")
def plain_train():
    spec = importlib.util.spec_from_file_location("plain_train", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_example_trains_saves_and_evaluates(plain_train, coco_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = [
        [f"{coco_folder}/annotations/instances_{split}.json", f"{coco_folder}/{split}"] for split in ("train", "val")
    ]
    options = ["--model", "COCO-Detection/retinanet_R_50_FPN_1x", "--weights", "", "--size", "64", "--device", "cpu"]
    plain_train.main([*data[0], "--val", *data[1], *options, "--iterations", "2", "--batch", "2", "--workers", "0"])
    lines = [json.loads(line) for line in Path("output/metrics.json").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 1]
    assert Path("output/model_final.pth").is_file()


def test_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 120


def test_learning_rate_warms_up_and_decays(plain_train):
    rates = [plain_train.learning_rate(iteration, 1000, 1.0) for iteration in (0, 99, 699, 700, 900)]
    assert rates == pytest.approx([0.01, 1.0, 1.0, 0.1, 0.01])
