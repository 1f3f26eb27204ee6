"""Panoptic quality of 100 pairs of PNG files by detectory and plain NumPy; predictions are shifted ground truth."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import numpy_panoptic

from detectory.evaluation import panoptic_quality

DATA = Path(os.environ.get("DETECTORY_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "coco"
PAIRS = 100


def with_detectory(ground_truth, predictions, ground_truth_folder, predictions_folder):
    return panoptic_quality(ground_truth, predictions, ground_truth_folder, predictions_folder)["PQ"]


RUN = {"detectory": with_detectory, "numpy": numpy_panoptic.panoptic_quality}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the JSON files of ground truth and predictions, and their folders."""
    if not (DATA / "annotations" / "panoptic_val2017.json").is_file():
        pytest.skip(f"no panoptic images at {DATA}; set DETECTORY_TEST_DATA to the folder of coco/")
    ground_truth = json.loads((DATA / "annotations" / "panoptic_val2017.json").read_text())
    root = tmp_path_factory.mktemp("panoptic")
    content = {name: {**ground_truth, "images": [], "annotations": []} for name in ("ground_truth", "predictions")}
    images = {image["id"]: image for image in ground_truth["images"]}
    for name in content:
        (root / name).mkdir()
    for number in range(PAIRS):
        entry = ground_truth["annotations"][number % len(ground_truth["annotations"])]
        image = np.array(Image.open(DATA / "panoptic_val2017" / entry["file_name"]))
        shifted = np.roll(image, (number % 5, number % 7), axis=(0, 1))
        for name, pixels in (("ground_truth", image), ("predictions", shifted)):
            Image.fromarray(pixels).save(root / name / f"{number}.png")
            content[name]["images"].append({**images[entry["image_id"]], "id": number})
            content[name]["annotations"].append({**entry, "image_id": number, "file_name": f"{number}.png"})
    for name, value in content.items():
        (root / f"{name}.json").write_text(json.dumps(value))
    return root / "ground_truth.json", root / "predictions.json", root / "ground_truth", root / "predictions"


@pytest.mark.parametrize("implementation", RUN)
def test_quality_of_files(benchmark, files, implementation):
    benchmark.group = f"panoptic quality of {PAIRS} pairs of PNG files"
    value = benchmark.pedantic(RUN[implementation], files, rounds=5, warmup_rounds=1)
    assert value == pytest.approx(with_detectory(*files), abs=1e-9)
