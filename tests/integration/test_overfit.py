"""A model learns a few real photographs by heart: every part of training, from files to average precision, works."""

import json
import os
from pathlib import Path

import pytest

from detectory.cli import recipes
from detectory.cli.demo.page import read_history
from detectory.cli.demo.recipe import demo_recipe
from detectory.engine import train

SHORT = os.environ.get("DETECTORY_SLOW_TESTS") == "short"


def eight_photographs(source: Path, folder: Path) -> Path:
    """Write a folder in COCO layout whose train and val splits are the same eight photographs, crowds left out."""
    content = json.loads((source / "annotations" / "instances_train2017.json").read_text())
    annotations = [entry for entry in content["annotations"] if not entry["iscrowd"] and entry["area"] > 600]
    chosen = sorted({entry["image_id"] for entry in annotations})[:8]
    content["images"] = [image for image in content["images"] if image["id"] in chosen]
    content["annotations"] = [entry for entry in annotations if entry["image_id"] in chosen]
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        (folder / split).symlink_to(source / "train2017")
    return folder


@pytest.fixture(scope="module")
def overfitted(test_data, tmp_path_factory):
    """The metrics of the last evaluation and the history of a run on eight photographs."""
    folder = tmp_path_factory.mktemp("overfit")
    config = demo_recipe(iterations=40 if SHORT else 350, short_edge=288, max_size=480)
    recipes.use_dataset(config, eight_photographs(test_data / "coco", folder / "eight"))
    config.dataloader.train.mapper.augmentations = config.dataloader.train.mapper.augmentations[:1]
    config.train.output_dir = str(folder / "run")
    return train(config), read_history(folder / "run" / "metrics.json")


@pytest.mark.slow
def test_losses_fall_on_eight_photographs(overfitted):
    losses = [row["total_loss"] for row in overfitted[1] if "total_loss" in row]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.slow
@pytest.mark.skipif(SHORT, reason="needs 350 iterations: unset DETECTORY_SLOW_TESTS, or run `nox -s slow`")
def test_eight_photographs_are_learned_to_60_box_ap(overfitted):
    assert overfitted[0]["bbox"]["AP"] >= 60
