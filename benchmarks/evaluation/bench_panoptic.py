"""Panoptic quality of 100 pairs of PNG files beside plain NumPy: COCO's pictures repeated, predictions shifted."""

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


def with_detectory(truth, found, truth_folder, found_folder):
    return panoptic_quality(truth, found, truth_folder, found_folder)["PQ"]


RUN = {"detectory": with_detectory, "numpy": numpy_panoptic.panoptic_quality}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The JSON files of truth and predictions, and their folders."""
    if not (DATA / "annotations" / "panoptic_val2017.json").is_file():
        pytest.skip(f"no panoptic pictures at {DATA}: set DETECTORY_TEST_DATA to a folder that holds coco/")
    truth = json.loads((DATA / "annotations" / "panoptic_val2017.json").read_text())
    root = tmp_path_factory.mktemp("panoptic")
    content = {name: {**truth, "images": [], "annotations": []} for name in ("truth", "found")}
    images = {image["id"]: image for image in truth["images"]}
    for name in content:
        (root / name).mkdir()
    for number in range(PAIRS):
        entry = truth["annotations"][number % len(truth["annotations"])]
        picture = np.array(Image.open(DATA / "panoptic_val2017" / entry["file_name"]))
        moved = np.roll(picture, (number % 5, number % 7), axis=(0, 1))
        for name, pixels in (("truth", picture), ("found", moved)):
            Image.fromarray(pixels).save(root / name / f"{number}.png")
            content[name]["images"].append({**images[entry["image_id"]], "id": number})
            content[name]["annotations"].append({**entry, "image_id": number, "file_name": f"{number}.png"})
    for name, value in content.items():
        (root / f"{name}.json").write_text(json.dumps(value))
    return root / "truth.json", root / "found.json", root / "truth", root / "found"


@pytest.mark.parametrize("implementation", RUN)
def test_quality_of_files(benchmark, files, implementation):
    benchmark.group = f"panoptic quality of {PAIRS} pairs of PNG files"
    value = benchmark.pedantic(RUN[implementation], files, rounds=5, warmup_rounds=1)
    assert value == pytest.approx(with_detectory(*files), abs=1e-9)
