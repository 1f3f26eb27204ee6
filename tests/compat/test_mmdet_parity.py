"""Parity of converted models with measured outputs of MMDetection 1.0, 2.28 and 3.3."""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detectory.compat.mmdet import build_model

FOLDER = Path(__file__).parents[1] / "golden" / "mmdet_parity"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))
FAST = "retinanet__retinanet_r50_fpn_1x_coco"
MIN_AGREEMENT = 0.97


@pytest.fixture(scope="module")
def fill():
    spec = importlib.util.spec_from_file_location("mmdet_fill", FOLDER / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_score_threshold(model):
    predictor = getattr(getattr(model, "roi_heads", None), "box_predictor", model)
    for part in predictor if isinstance(predictor, torch.nn.ModuleList) else [predictor]:
        part.test_score_thresh = 0.0
    return model


def detections(model, info, index, fill):
    meta = info["input"]["images"][index]
    pixels = fill.image(*meta["size"], meta["seed"])
    pixels = pixels[..., ::-1] if model.input_format == "RGB" else pixels
    height, width = meta["ori"]
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    with torch.no_grad():
        return model([{"image": image, "height": height, "width": width}])[0]["instances"]


def matches_of(found, wanted):
    """Return the index of the equal detection for every wanted one, or -1."""
    boxes, scores, classes = found.pred_boxes.tensor.numpy(), found.scores.numpy(), found.pred_classes.numpy()
    free = np.ones(len(boxes), dtype=bool)
    matches = []
    for box, score, label in zip(*wanted, strict=True):
        equal = free & (abs(boxes - box).max(1) < 0.1) & (abs(scores - score) < 1e-3) & (classes == label)
        matches.append(int(equal.argmax()) if equal.any() else -1)
        free[matches[-1]] &= not equal.any()
    return np.array(matches)


@pytest.mark.parametrize(
    "name", [name if name == FAST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_detections_equal_those_of_mmdetection(fill, name):
    info = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    golden = np.load(FOLDER / f"{name}.npz")
    state = fill.version_1(info) if name.endswith("@1.x") else fill.state_for(info)
    model = build_model(
        {key: torch.from_numpy(value) for key, value in state.items()},
        style=info["settings"]["backbone"].get("style") or "pytorch",
        version_1=name.startswith("legacy"),
        rules="mmdet-1.0" if name.endswith("@1.x") else "mmdet-legacy",
    )
    without_score_threshold(model)
    for index in range(len(info["input"]["images"])):
        found = detections(model, info, index, fill)
        boxes, scores, classes = (golden[f"{index}.{key}"] for key in ("boxes", "scores", "classes"))
        solid = (boxes[:, 2:] > boxes[:, :2]).all(1)  # MMDetection keeps boxes that clipping made empty
        matches = matches_of(found, (boxes[solid], scores[solid], classes[solid]))
        assert (matches >= 0).mean() >= MIN_AGREEMENT
        if f"{index}.mask_rows" in golden:
            rows = found.pred_masks.numpy().sum(2)[:, ::16][matches[matches >= 0]]
            wanted_rows = golden[f"{index}.mask_rows"][solid][matches >= 0]
            assert (abs(rows - wanted_rows) <= 1).mean() > 0.99
